import json

import numpy as np
import pytest
from scipy.io import savemat

from bsymlearn.io import read_cohort


@pytest.fixture
def study(tmp_path):
    (tmp_path / "files").mkdir()
    for name in ("a", "b"):
        np.save(tmp_path / "files" / f"{name}_ts.npy", np.ones((4, 2)))
        np.save(tmp_path / "files" / f"{name}_sc.npy", np.ones((2, 2)))
    (tmp_path / "files" / "a_ts.json").write_text(json.dumps({"RepetitionTime": 1.5}))
    return tmp_path


def write(study, text, name="participants.tsv"):
    path = study / name
    path.write_text(text)
    return path


def test_relative_paths_and_missing_modalities(study):
    text = (
        "participant_id\tage\ttimeseries\tconnectome\n"
        "001\t20\tfiles/a_ts.npy\tn/a\n"
        f"002\t30\t\t{study}/files/b_sc.npy\n"
    )
    table = read_cohort(write(study, text))
    assert table.index.tolist() == ["001", "002"]
    assert table.columns.tolist() == ["timeseries", "connectome", "t_r", "age"]
    assert table.loc["001", "timeseries"] == str(study / "files" / "a_ts.npy")
    assert table.loc["001", "connectome"] is None and table.loc["002", "timeseries"] is None
    assert table.loc["001", "t_r"] == 1.5

    loaded = read_cohort(study / "participants.tsv", load=True)
    assert loaded.loc["001", "timeseries"].shape == (4, 2)
    assert loaded.loc["002", "connectome"].shape == (2, 2)


def test_csv_with_runs_and_rows_without_scan(study):
    text = "participant_id,run,timeseries\n1,1,files/a_ts.npy\n1,2,files/b_ts.npy\n2,1,\n"
    path = write(study, text, "scans.csv")
    with pytest.warns(UserWarning, match="1 of 3 rows of scans.csv have no scan"):
        table = read_cohort(path)
    assert table.index.tolist() == [("1", "1"), ("1", "2")]


def test_matrix_of_a_mat_file(study):
    savemat(study / "sc.mat", {"A_count": np.eye(2), "A_length": np.ones((2, 2))})
    path = write(study, "participant_id\tconnectome\n1\tsc.mat\n")
    table = read_cohort(path, atlas="A", connectome_key="length")
    assert table.loc["1", "connectome"] == f"{study / 'sc.mat'}::A_length"
    direct = read_cohort(
        write(study, "participant_id\tconnectome\n1\tsc.mat::A_count\n"), load=True
    )
    np.testing.assert_array_equal(direct.loc["1", "connectome"], np.eye(2))


@pytest.mark.parametrize("censor", [False, True])
def test_sample_masks_count_where_the_table_names_them(study, censor):
    (study / "files" / "a_out.tsv").write_text("framewise_displacement\n0\n1\n1\n0\n")
    text = (
        "participant_id\tage\tsample_mask\ttimeseries\tconnectome\n"
        "1\t20\tfiles/a_out.tsv\tfiles/a_ts.npy\t\n"
        "2\t30\tn/a\t\tfiles/b_sc.npy\n"
        "3\t40\tfiles/a_out.tsv\t\t\n"
    )
    path = write(study, text)
    with pytest.warns(UserWarning, match="1 of 3 rows .* have no scan") as caught:
        table = read_cohort(path, censor=censor)
    assert len(caught) == 1
    assert table.columns.tolist() == ["timeseries", "connectome", "sample_mask", "t_r", "age"]
    assert table["sample_mask"].tolist() == [str(study / "files" / "a_out.tsv"), None]
    with pytest.warns(UserWarning, match="have no scan"):
        loaded = read_cohort(path, censor=censor, load=True)["sample_mask"]
    assert loaded.iloc[0].dtype == bool and loaded.iloc[1] is None
    assert loaded.iloc[0].tolist() == [True, False, False, True]


def test_censoring_needs_masks(study):
    path = write(study, "participant_id\ttimeseries\n1\tfiles/a_ts.npy\n")
    with pytest.raises(ValueError, match=r"no time series .*a column sample_mask.*censor=False"):
        read_cohort(path, censor=True)
    text = "participant_id\ttimeseries\tsample_mask\n1\tfiles/a_ts.npy\tfiles/z.tsv\n"
    with pytest.raises(FileNotFoundError, match=r"1 of the sample_mask files .*z\.tsv"):
        read_cohort(write(study, text))


def test_absent_files(study):
    text = "participant_id\ttimeseries\n1\tfiles/a_ts.npy\n2\tfiles/z_ts.npy\n"
    with pytest.raises(FileNotFoundError, match=r"1 of the timeseries files .*z_ts\.npy"):
        read_cohort(write(study, text))


@pytest.mark.parametrize(
    "text, message",
    [
        ("participant_id\tage\n1\t20\n", "at least one of"),
        ("subject\ttimeseries\n1\tfiles/a_ts.npy\n", "participant_id and at least one of"),
        ("participant_id\ttimeseries\n1\tn/a\n", "names no file"),
        ("participant_id\ttimeseries\n\tfiles/a_ts.npy\n", "1 rows of .* no participant_id"),
        (
            "participant_id\ttimeseries\n1\tfiles/a_ts.npy\n1\tfiles/b_ts.npy\n",
            "'1' has several rows",
        ),
    ],
)
def test_tables_that_lack_something(study, text, message):
    with pytest.raises(ValueError, match=message):
        read_cohort(write(study, text, "table.tsv"))
