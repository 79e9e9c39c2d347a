import json

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from bsymlearn.io import read_cohort


def touch_series(root, name, t_r=None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a\tb\n1\t2\n3\t5\n0\t1\n")
    if t_r is not None:
        path.with_suffix(".json").write_text(json.dumps({"RepetitionTime": t_r}))
    return str(path)


def touch_connectome(root, name):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("0,1\n1,0\n")
    return str(path)


def test_real_derivatives(shared_data):
    root = shared_data / "hcp21_derivatives"
    table = read_cohort(root)
    assert table.index.tolist() == [f"sub-{k:03d}" for k in range(21)]
    assert table.columns.tolist() == ["timeseries", "connectome", "t_r"]
    assert (table["t_r"] == 0.72).all()
    assert read_cohort(root, atlas="dk70").equals(table)
    assert read_cohort(root / "participants.tsv").equals(table)

    loaded = read_cohort(root, load=True)
    assert {cell.shape for cell in loaded["timeseries"]} == {(1200, 70)}
    for path, cell in zip(table["timeseries"][:2], loaded["timeseries"], strict=False):
        np.testing.assert_array_equal(cell, pd.read_csv(path, sep="\t").to_numpy(np.float32))
    expected = np.loadtxt(table["connectome"].iloc[3], delimiter=",")
    np.testing.assert_array_equal(loaded["connectome"].iloc[3], expected)


def test_subject_without_a_modality(tmp_path):
    series = touch_series(tmp_path, "sub-1/func/sub-1_task-rest_timeseries.tsv", t_r=2.0)
    connectome = touch_connectome(tmp_path, "sub-2/dwi/sub-2_connectome.csv")
    table = read_cohort(tmp_path)
    assert table["timeseries"].tolist() == [series, None]
    assert table["connectome"].tolist() == [None, connectome]
    assert table["t_r"].iloc[0] == 2.0 and np.isnan(table["t_r"].iloc[1])


def test_modality_that_nobody_has_is_no_column(tmp_path):
    touch_series(tmp_path, "sub-1_timeseries.tsv")
    assert read_cohort(tmp_path).columns.tolist() == ["timeseries"]


def test_sessions_and_runs_repeat_the_connectome_of_their_session(tmp_path):
    for session in ("a", "b"):
        for run in ("1", "2"):
            name = f"xcp_d/sub-1/ses-{session}/func/sub-1_ses-{session}_run-{run}_timeseries.tsv"
            touch_series(tmp_path, name)
        touch_connectome(
            tmp_path, f"qsi/sub-1/ses-{session}/dwi/sub-1_ses-{session}_connectome.csv"
        )
    touch_series(tmp_path, "xcp_d/sub-2/func/sub-2_timeseries.tsv")
    shared = touch_connectome(tmp_path, "qsi/sub-2/dwi/sub-2_connectome.csv")
    table = read_cohort(tmp_path)
    assert table.index.names == ["participant_id", "session", "run"]
    assert table.index.tolist() == [
        *(("sub-1", session, run) for session in "ab" for run in "12"),
        ("sub-2", "n/a", "n/a"),
    ]
    for (participant, session, _), cell in table["connectome"].items():
        assert f"ses-{session}_" in cell if participant == "sub-1" else cell == shared


def test_tasks_are_scans_of_their_own_unless_filtered(tmp_path):
    for task in ("rest", "nback"):
        touch_series(tmp_path, f"sub-1/func/sub-1_task-{task}_timeseries.tsv")
    assert read_cohort(tmp_path).index.names == ["participant_id", "task"]
    table = read_cohort(tmp_path, filters={"task": "rest"})
    assert table.index.tolist() == ["sub-1"] and "task-rest" in table["timeseries"].iloc[0]


def test_several_atlases(tmp_path):
    for atlas in ("Gordon", "Tian"):
        touch_series(tmp_path, f"sub-1/func/sub-1_seg-{atlas}_timeseries.tsv")
    with pytest.raises(ValueError, match=r"Gordon.*Tian.*atlas='Gordon'"):
        read_cohort(tmp_path)
    assert "seg-Tian" in read_cohort(tmp_path, atlas="tian")["timeseries"].iloc[0]


def test_atlas_of_the_series_chooses_the_matrix(tmp_path):
    touch_series(tmp_path, "sub-1/func/sub-1_seg-A_timeseries.tsv")
    (tmp_path / "sub-1" / "dwi").mkdir()
    path = tmp_path / "sub-1" / "dwi" / "sub-1_connectivity.mat"
    content = {"atlas_A_count": np.eye(2), "atlas_A_length": np.ones((2, 2)), "B_count": np.eye(3)}
    savemat(path, content)
    with pytest.raises(ValueError, match=r"'atlas_A_count', 'atlas_A_length'.*connectome_key="):
        read_cohort(tmp_path)
    table = read_cohort(tmp_path, connectome_key="length", load=True)
    np.testing.assert_array_equal(table["connectome"].iloc[0], np.ones((2, 2)))


def test_labels_ride_along(tmp_path):
    touch_series(tmp_path, "sub-1_timeseries.tsv")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tgroup\nsub-1\t44\tasd\n")
    table = read_cohort(tmp_path)
    assert table.loc["sub-1", ["age", "group"]].tolist() == [44, "asd"]


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_cohort(tmp_path / "absent")
    with pytest.raises(ValueError, match="holds no time series and no connectomes"):
        read_cohort(tmp_path)


def test_runs_that_were_joined_as_well(tmp_path):
    for name in ("run-1", "run-2"):
        touch_series(tmp_path, f"sub-1/sub-1_task-rest_{name}_timeseries.tsv")
    assert len(read_cohort(tmp_path)) == 2
    touch_series(tmp_path, "sub-1/sub-1_task-rest_timeseries.tsv")
    with pytest.warns(UserWarning, match=r"1 participants, sub-1 .*with and without a run"):
        read_cohort(tmp_path)
    assert len(read_cohort(tmp_path, filters={"run": ["1", "2"]})) == 2
