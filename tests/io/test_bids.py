from pathlib import Path

import pytest

from bsymlearn.io._bids import apply_filters, choose_atlas, find_files, one_per_scan, parse_file

ROOT = Path("root")


def parse(*names):
    files = [parse_file(ROOT / name, ROOT) for name in names]
    return [file for file in files if file is not None]


@pytest.mark.parametrize(
    "name, modality, atlas",
    [
        ("sub-1/func/sub-1_task-rest_seg-A_stat-mean_timeseries.tsv", "timeseries", "A"),
        ("sub-1/func/sub-1_task-rest_atlas-A_den-91k_timeseries.ptseries.nii", "timeseries", "A"),
        ("sub-1/dwi/sub-1_space-T1w_desc-preproc_dhollanderconnectome.mat", "connectome", None),
        ("sub-1/dwi/sub-1_seg-A_desc-streamlines_connectome.csv", "connectome", "A"),
        ("sub-1/timeseries.npy", "timeseries", None),
        ("sub-1_connectome.npy", "connectome", None),
        ("sub-1/func/sub-1_task-rest_outliers.tsv", "sample_mask", None),
    ],
)
def test_names_of_the_pipelines(name, modality, atlas):
    (file,) = parse(name)
    assert (file.participant, file.modality, file.atlas) == ("sub-1", modality, atlas)


@pytest.mark.parametrize(
    "name",
    [
        "sub-1/func/sub-1_task-rest_desc-confounds_timeseries.tsv",
        "sub-1/func/sub-1_task-rest_seg-A_stat-pearsoncorrelation_relmat.tsv",
        "sub-1/func/sub-1_task-rest_seg-A_stat-reho_bold.tsv",
        "sub-1/func/sub-1_task-rest_timeseries.json",
        "sub-1/func/sub-1_task-rest_outliers.json",
        "sub-1/func/sub-1_task-rest_desc-outliers_timeseries.tsv",
        "group_timeseries.tsv",
    ],
)
def test_what_is_no_scan(name):
    assert parse(name) == []


def test_find_files_skips_figures(tmp_path):
    for folder in ("sub-1/func", "sub-1/figures", ".git"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "sub-1_timeseries.tsv").touch()
    (file,) = find_files(tmp_path)
    assert file.path == tmp_path / "sub-1/func/sub-1_timeseries.tsv"


def test_atlas_is_chosen_without_regard_to_case():
    files = parse(
        "sub-1_seg-Gordon_timeseries.tsv", "sub-1_seg-Tian_timeseries.tsv", "sub-1_connectome.csv"
    )
    kept, name = choose_atlas(files, "gordon")
    assert [file.path.name for file in kept] == [
        "sub-1_seg-Gordon_timeseries.tsv",
        "sub-1_connectome.csv",
    ]
    assert name == "gordon"
    with pytest.raises(ValueError, match=r"2 atlases.*Gordon.*Tian"):
        choose_atlas(files, None)
    with pytest.raises(ValueError, match=r"No file is of the atlas 'AAL'.*'Gordon', 'Tian'"):
        choose_atlas(files, "AAL")


def test_filters():
    files = parse(
        "sub-1_task-rest_run-1_timeseries.tsv",
        "sub-1_task-rest_timeseries.tsv",
        "sub-1_task-nback_run-1_timeseries.tsv",
        "sub-1_connectome.csv",
    )

    def kept(**filters):
        return [files.index(file) for file in apply_filters(files, filters)]

    assert kept(task="rest") == [0, 1, 3]
    assert kept(task="rest", run=None) == [1, 3]
    assert kept(task=["rest", "nback"], run=1) == [0, 2, 3]
    with pytest.raises(ValueError, match=r"leaves no file; the values of 'task' are"):
        kept(task="movie")
    with pytest.raises(ValueError, match="leaves no file"):
        kept(echo="1")


def test_two_formats_are_one_scan():
    files = parse("sub-1_den-91k_timeseries.ptseries.nii", "sub-1_timeseries.tsv")
    ((key, file),) = one_per_scan(files, ("ses", "run")).items()
    assert key == ("sub-1", None, None) and file.extension == ".tsv"


def test_two_versions_need_a_choice():
    with pytest.raises(ValueError, match=r"2 versions .*'space'.*filters=\{'space': 'fsLR'\}"):
        one_per_scan(parse("sub-1_space-T1w_timeseries.tsv", "sub-1_space-fsLR_timeseries.tsv"), ())
    with pytest.raises(ValueError, match="same timeseries in 2 places"):
        one_per_scan(parse("a/sub-1_timeseries.tsv", "b/sub-1_timeseries.tsv"), ())
