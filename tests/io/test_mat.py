import numpy as np
import pytest
from scipy.io import savemat

from bsymlearn.io._mat import connectome_cell, find_mat_key, read_mat_matrix

COUNT, LENGTH, OTHER = (np.full((n, n), k) - k * np.eye(n) for n, k in ((3, 5), (3, 7), (4, 9)))


@pytest.fixture
def qsirecon(tmp_path):
    path = tmp_path / "sub-01_connectivity.mat"
    savemat(
        path,
        {
            "atlas_A_region_ids": np.arange(3),
            "atlas_A_region_labels": np.array(["a", "bb", "c"], dtype=object),
            "atlas_A_sift_radius2_count_connectivity": COUNT,
            "atlas_A_radius2_meanlength_connectivity": LENGTH,
            "B_sift_radius2_count_connectivity": OTHER,
            "command": "tck2connectome",
        },
    )
    return path


def test_atlas_and_key(qsirecon):
    matrix, names = read_mat_matrix(qsirecon, atlas="A", key="meanlength")
    np.testing.assert_array_equal(matrix, LENGTH)
    assert names == ["a", "bb", "c"]
    matrix, names = read_mat_matrix(qsirecon, atlas="b")
    np.testing.assert_array_equal(matrix, OTHER)
    assert names is None


def test_exact_key_wins(qsirecon):
    key = "atlas_A_sift_radius2_count_connectivity"
    assert find_mat_key(qsirecon, key=key) == key
    assert connectome_cell(qsirecon, "A", "sift") == f"{qsirecon}::{key}"


def test_ambiguous_choice_lists_the_matrices(qsirecon):
    with pytest.raises(ValueError, match=r"3 matrices that may be meant.*meanlength"):
        find_mat_key(qsirecon)
    with pytest.raises(ValueError, match="2 matrices"):
        find_mat_key(qsirecon, atlas="A")


@pytest.mark.parametrize("choice", [{"atlas": "C"}, {"key": "streamlines"}])
def test_choice_that_matches_nothing(qsirecon, choice):
    with pytest.raises(ValueError, match="no matrix named after"):
        find_mat_key(qsirecon, **choice)


def test_only_matrix_needs_no_choice(tmp_path):
    savemat(tmp_path / "one.mat", {"sc": COUNT, "n": 3})
    assert find_mat_key(tmp_path / "one.mat", atlas="whatever") == "sc"


def test_no_matrix_and_no_mat_file(tmp_path):
    savemat(tmp_path / "none.mat", {"ts": np.zeros((5, 3))})
    with pytest.raises(ValueError, match="holds no square matrix"):
        find_mat_key(tmp_path / "none.mat")
    (tmp_path / "broken.mat").write_bytes(b"no mat file at all")
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"):
        find_mat_key(tmp_path / "broken.mat")
