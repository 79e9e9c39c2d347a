import json
import pickle

import nibabel as nib
import numpy as np
import pytest

from bsymlearn.io import read_connectome, read_timeseries
from bsymlearn.io._files import read_repetition_time

SERIES = np.random.RandomState(0).standard_normal((5, 3)).astype(np.float32)


def write_ptseries(path, values, names, t_r=0.8):
    voxels = np.arange(len(names))
    parcels = nib.cifti2.ParcelsAxis(
        name=names,
        voxels=[np.array([[k, 0, 0]]) for k in voxels],
        vertices=[{} for _ in names],
        affine=np.eye(4),
        volume_shape=(len(names), 1, 1),
    )
    series = nib.cifti2.SeriesAxis(start=0, step=t_r, size=len(values))
    nib.Cifti2Image(values, header=(series, parcels)).to_filename(path)
    return path


def test_ptseries(tmp_path):
    path = write_ptseries(tmp_path / "sub-01_bold.ptseries.nii", SERIES, ["a", "b", "c"])
    timeseries, names = read_timeseries(path)
    np.testing.assert_allclose(timeseries, SERIES, rtol=1e-6)
    assert names == ["a", "b", "c"]
    assert read_repetition_time(path) == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["x.tsv", "x.csv", "x.txt", "x.1D", "x.npy"])
def test_formats_agree(tmp_path, name):
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, SERIES)
    else:
        np.savetxt(path, SERIES, delimiter={"tsv": "\t", "csv": ","}.get(name[2:], " "))
    timeseries, names = read_timeseries(path)
    np.testing.assert_allclose(timeseries, SERIES, rtol=1e-6)
    assert timeseries.dtype == np.float32 and names is None


@pytest.mark.parametrize("reader", [read_timeseries, read_connectome])
def test_missing_file(tmp_path, reader):
    with pytest.raises(FileNotFoundError, match=r"does not exist; a .* file was looked for"):
        reader(tmp_path / "absent.tsv")
    with pytest.raises(FileNotFoundError, match="is a directory"):
        reader(tmp_path)


@pytest.mark.parametrize(
    "name, remedy", [("x.dtseries.nii", "Parcellate"), ("x.xlsx", "Save it as .tsv")]
)
def test_unknown_format(tmp_path, name, remedy):
    (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match=remedy):
        read_timeseries(tmp_path / name)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a file was unpickled",))


@pytest.mark.parametrize("reader", [read_timeseries, read_connectome])
def test_nothing_is_unpickled(tmp_path, reader):
    np.save(tmp_path / "objects.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("objects.npy", "pickle.npy"):
        with pytest.raises(ValueError, match=r"not\s+unpickled"):
            reader(tmp_path / name)


@pytest.mark.parametrize(
    "array", [np.zeros(4), np.zeros((2, 3, 4)), np.zeros((2, 2), complex), np.zeros((0, 3))]
)
def test_arrays_that_are_no_series(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match="non-empty real matrix"):
        read_timeseries(tmp_path / "x.npy")


def test_broken_ptseries(tmp_path):
    (tmp_path / "x.ptseries.nii").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read as a CIFTI-2 file"):
        read_timeseries(tmp_path / "x.ptseries.nii")


def test_connectome_with_names_and_without(tmp_path):
    (tmp_path / "named.csv").write_text(",a,b\na,0,3\nb,3,0\n")
    (tmp_path / "plain.csv").write_text("0 3\n3 0\n")
    for name, expected in (("named.csv", ["a", "b"]), ("plain.csv", None)):
        connectome, names = read_connectome(tmp_path / name)
        np.testing.assert_array_equal(connectome, [[0, 3], [3, 0]])
        assert names == expected


@pytest.mark.parametrize("triangle", [np.triu, np.tril])
def test_one_triangle_is_mirrored(tmp_path, triangle):
    full = np.array([[4.0, 1, -2], [1, 0, 3], [-2, 3, 5]])
    np.save(tmp_path / "x.npy", triangle(full))
    np.testing.assert_array_equal(read_connectome(tmp_path / "x.npy")[0], full)


def test_asymmetric_connectome_is_left_alone(tmp_path):
    values = np.array([[0.0, 1], [2, 0]])
    np.save(tmp_path / "x.npy", values)
    np.testing.assert_array_equal(read_connectome(tmp_path / "x.npy")[0], values)


def test_connectome_is_square(tmp_path):
    np.save(tmp_path / "x.npy", SERIES)
    with pytest.raises(ValueError, match=r"shape \(5, 3\), but a connectome is square"):
        read_connectome(tmp_path / "x.npy")


def test_matrix_named_in_the_path(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "x.mat", {"a": np.eye(2), "b": np.ones((2, 2))})
    np.testing.assert_array_equal(read_connectome(f"{tmp_path}/x.mat::b")[0], np.ones((2, 2)))


@pytest.mark.parametrize(
    "fields, expected",
    [({"RepetitionTime": 2.2}, 2.2), ({"SamplingFrequency": 0.5}, 2.0), ({"Other": 1}, None)],
)
def test_repetition_time(tmp_path, fields, expected):
    (tmp_path / "x_timeseries.json").write_text(json.dumps(fields))
    assert read_repetition_time(tmp_path / "x_timeseries.tsv") == expected


def test_repetition_time_without_or_with_broken_sidecar(tmp_path):
    assert read_repetition_time(tmp_path / "x.tsv") is None
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"sidecar .* cannot be read"):
        read_repetition_time(tmp_path / "x.tsv")


def test_repetition_time_of_xcp_d(tmp_path):
    """Its sidecars of series name no number; that of the denoised image of the run does."""
    run = "sub-1_task-rest_run-1"
    series = tmp_path / f"{run}_space-MNI_seg-A_stat-mean_timeseries.tsv"
    sidecar = series.with_suffix(".json")
    sidecar.write_text(json.dumps({"SamplingFrequency": "TR", "Sources": []}))
    assert read_repetition_time(series) is None
    image = tmp_path / f"{run}_space-MNI_desc-denoised_bold.json"
    image.write_text(json.dumps({"RepetitionTime": 3, "TaskName": "rest"}))
    (tmp_path / "sub-1_task-rest_run-10_space-MNI_desc-denoised_bold.json").write_text(
        json.dumps({"RepetitionTime": 2})
    )
    assert read_repetition_time(series) == 3.0
    image.with_name(f"{run}_space-T1w_bold.json").write_text(json.dumps({"RepetitionTime": 1}))
    assert read_repetition_time(series) is None  # of two, neither is believed
