import numpy as np
import pandas as pd
import pytest

from bsymlearn.io import read_cohort, read_sample_mask

MASKS = {"1": [True, False, True, True], "2": [False, True, True, False]}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def write_series(root, name):
    return write(root / name, "a\tb\n1\t2\n3\t5\n0\t1\n2\t2\n")


def write_outliers(root, name, kept=MASKS["1"]):
    frame = pd.DataFrame({"framewise_displacement": (~np.array(kept)).astype(int)})
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(root / name, sep="\t", index=False)
    return str(root / name)


def test_mask_is_true_where_no_column_marks_an_outlier(tmp_path):
    path = tmp_path / "sub-1_outliers.tsv"
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (50, 2)), columns=["framewise_displacement", "dvars"])
    frame.to_csv(path, sep="\t", index=False)
    expected = [a == 0 and b == 0 for a, b in frame.itertuples(index=False)]
    mask = read_sample_mask(path)
    assert mask.dtype == bool and mask.tolist() == expected


def test_volumes_left_out_at_random_are_no_outliers(tmp_path):
    # As XCP-D writes it for --create-matrices 1 2: one and two of three good volumes are drawn.
    text = "framewise_displacement\texact_1\texact_2\n0\t1\t0\n1\t0\t0\n0\t0\t1\n0\t1\t0\n"
    path = write(tmp_path / "sub-1_outliers.tsv", text)
    assert read_sample_mask(path).tolist() == [True, False, True, True]


@pytest.mark.parametrize("text", ["0\n1\n0\n", "fd\n0.0\n1.0\n0.0\n", "\tfd\n0\t0\n1\t1\n2\t0\n"])
def test_without_header_as_floats_and_with_row_numbers(tmp_path, text):
    mask = read_sample_mask(write(tmp_path / "sub-1_outliers.tsv", text))
    assert mask.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("framewise_displacement\n", "a header and no rows"),
        ("fd\n0\n0.3\n", r"the entry 0\.3 in data row 2, column 1; 0 \(kept\) or 1 \(censored\)"),
        ("fd\tdvars\n0\t1\n0\t-1\n", "the entry -1 in data row 2, column 2"),
        ("fd\n0\nn/a\n", "the entry nan in data row 2, column 1"),
        ("fd\nTrue\nFalse\n", "the entry 'True' in data row 1, column 1; numbers are expected"),
        ("fd\n0\n1\t0\n", "not a rectangular table|column names over"),
        ("exact_1\n0\n1\n", "none of which tells outliers"),
        ("index\n0\n1\n", "none of which tells outliers"),
    ],
)
def test_what_is_no_mask(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_sample_mask(write(tmp_path / "sub-1_outliers.tsv", text))
    assert "sub-1_outliers.tsv" in str(caught.value)


def test_missing_and_binary_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; a sample mask file"):
        read_sample_mask(tmp_path / "absent.tsv")
    np.save(tmp_path / "mask.npy", np.ones(4, bool))
    with pytest.raises(ValueError, match="not a text file"):
        read_sample_mask(tmp_path / "mask.npy")


def test_atlases_and_spaces_share_one_file(tmp_path):
    stem = "sub-1/func/sub-1_task-rest"
    for space in ("fsLR", "MNI152NLin6Asym"):
        for atlas in ("Gordon", "Tian"):
            name = f"{stem}_space-{space}_seg-{atlas}_stat-mean_timeseries.tsv"
            write_series(tmp_path, name)
    outliers = write_outliers(tmp_path, f"{stem}_outliers.tsv")
    for atlas in ("Gordon", "Tian"):
        filters = {"space": "fsLR", "stat": "mean"}
        table = read_cohort(tmp_path, atlas=atlas, filters=filters, censor=True)
        assert table["sample_mask"].tolist() == [outliers]
        assert f"seg-{atlas}" in table["timeseries"].iloc[0]
    assert "sample_mask" not in read_cohort(tmp_path, atlas="Tian", filters=filters)


def test_sessions_and_runs_have_their_own(tmp_path):
    expected = {}
    for session in ("a", "b"):
        for run, kept in MASKS.items():
            stem = f"sub-1/ses-{session}/func/sub-1_ses-{session}_task-rest_run-{run}"
            write_series(tmp_path, f"{stem}_seg-A_timeseries.tsv")
            # The two sessions differ as well, so that no two masks are the same.
            kept = kept if session == "a" else [not keep for keep in kept]
            expected[("sub-1", session, run)] = kept
            write_outliers(tmp_path, f"{stem}_outliers.tsv", kept)
    write(tmp_path / "sub-1" / "dwi" / "sub-1_connectome.csv", "0,1\n1,0\n")
    write(tmp_path / "participants.tsv", "participant_id\tage\nsub-1\t44\n")

    paths = read_cohort(tmp_path, censor=True)
    assert paths.columns.tolist() == ["timeseries", "connectome", "sample_mask", "age"]
    for (_, session, run), cell in paths["sample_mask"].items():
        assert cell.endswith(f"_ses-{session}_task-rest_run-{run}_outliers.tsv")
    loaded = read_cohort(tmp_path, censor=True, load=True)["sample_mask"]
    assert all(cell.dtype == bool for cell in loaded)
    assert {key: cell.tolist() for key, cell in loaded.items()} == expected


def test_mask_comes_before_the_repetition_time(tmp_path):
    write_series(tmp_path, "sub-1_timeseries.tsv")
    write(tmp_path / "sub-1_timeseries.json", '{"RepetitionTime": 2.0}')
    write_outliers(tmp_path, "sub-1_outliers.tsv")
    table = read_cohort(tmp_path, censor=True)
    assert table.columns.tolist() == ["timeseries", "sample_mask", "t_r"]


def test_some_scans_lack_the_file(tmp_path):
    for subject in ("1", "2"):
        write_series(tmp_path, f"sub-{subject}_task-rest_timeseries.tsv")
    outliers = write_outliers(tmp_path, "sub-2_task-rest_outliers.tsv")
    # A connectome alone has no volumes to censor, and counts for nothing.
    write(tmp_path / "sub-3_connectome.csv", "0,1\n1,0\n")
    with pytest.warns(UserWarning, match="1 of 2 time series of .* have no sample mask") as caught:
        table = read_cohort(tmp_path, censor=True)
    assert caught[0].filename == __file__
    assert table["sample_mask"].tolist() == [None, outliers, None]
    with pytest.warns(UserWarning, match="no sample mask"):
        loaded = read_cohort(tmp_path, censor=True, load=True)["sample_mask"]
    assert loaded.iloc[0] is None and loaded.iloc[1].tolist() == MASKS["1"]


@pytest.mark.parametrize("other", [None, "sub-1_task-nback_outliers.tsv", "sub-2_outliers.tsv"])
def test_no_scan_has_the_file(tmp_path, other):
    write_series(tmp_path, "sub-1_task-rest_timeseries.tsv")
    if other:
        write_outliers(tmp_path, other)
    with pytest.raises(ValueError, match=r"<entities>_outliers\.tsv .* censor=False"):
        read_cohort(tmp_path, censor=True, filters={"task": "rest"})


def test_outliers_files_alone_are_no_derivatives(tmp_path):
    write_outliers(tmp_path, "sub-1_task-rest_outliers.tsv")
    for censor in (False, True):
        with pytest.raises(ValueError, match="holds no time series and no connectomes"):
            read_cohort(tmp_path, censor=censor)


def test_name_with_further_entities(tmp_path):
    write_series(tmp_path, "sub-1_task-rest_seg-B_timeseries.tsv")
    first = write_outliers(tmp_path, "sub-1_task-rest_seg-A_desc-fd_outliers.tsv")
    assert read_cohort(tmp_path, censor=True)["sample_mask"].tolist() == [first]
    second = write_outliers(tmp_path, "sub-1_task-rest_seg-A_desc-dvars_outliers.tsv")
    with pytest.raises(ValueError, match=r"2 versions .*filters=\{'desc': 'fd'\}"):
        read_cohort(tmp_path, censor=True)
    for desc, path in (("fd", first), ("dvars", second)):
        table = read_cohort(tmp_path, censor=True, filters={"desc": desc})
        assert table["sample_mask"].tolist() == [path]
    plain = write_outliers(tmp_path, "sub-1_task-rest_outliers.tsv")
    assert read_cohort(tmp_path, censor=True)["sample_mask"].tolist() == [plain]


def test_filter_keeps_files_whose_names_lack_its_entity(tmp_path):
    for subject in ("1", "2"):
        write_series(tmp_path, f"sub-{subject}_space-A_timeseries.tsv")
    names = ["sub-1_outliers.tsv", "sub-2_space-A_outliers.tsv"]
    expected = [write_outliers(tmp_path, name) for name in names]
    table = read_cohort(tmp_path, censor=True, filters={"space": "A"})
    assert table["sample_mask"].tolist() == expected


def test_file_beside_the_series_is_meant(tmp_path):
    expected = {}
    for pipeline, space in (("cifti", "fsLR"), ("nifti", "MNI")):
        folder = tmp_path / pipeline / "sub-1" / "func"
        write_series(folder, f"sub-1_task-rest_space-{space}_timeseries.tsv")
        expected[space] = write_outliers(folder, "sub-1_task-rest_outliers.tsv")
    for space, path in expected.items():
        table = read_cohort(tmp_path, censor=True, filters={"space": space})
        assert table["sample_mask"].tolist() == [path]
