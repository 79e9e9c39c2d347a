import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix

from bsymlearn.preprocessing import coordinate_overlap, parcellation_overlap


@given(st.integers(0, 2**32 - 1))
def test_is_the_contingency_table_of_the_labels(seed):
    rng = np.random.default_rng(seed)
    new, old = rng.choice([0, 2, 3, 11], size=(4, 5, 6)), rng.choice([0, 1, 9], size=(4, 5, 6))
    table = contingency_matrix(new.ravel(), old.ravel())
    np.testing.assert_array_equal(parcellation_overlap(new, old), table[1:, 1:])


def test_a_roi_outside_the_other_parcellation_keeps_its_row_or_column():
    overlap = parcellation_overlap([[1, 1, 2, 0]], [[4, 0, 0, 8]])
    assert overlap.tolist() == [[1, 0], [0, 0]]


def test_without_background_the_first_label_is_a_roi():
    assert parcellation_overlap([1, 1, 2], [3, 3, 3]).tolist() == [[2], [1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_whole_numbers_of_any_type_are_labels(dtype):
    labels = np.array([0, 1, 2, 2], dtype=dtype)
    assert parcellation_overlap(labels, labels).tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    ("labels", "reference", "words"),
    [
        ([1, 2], [1, 2, 3], r"shape \(2,\) and reference \(3,\).*Resample"),
        ([1.0, 0.5], [1, 2], "labels.*no whole numbers"),
        ([1, 2], [1.0, np.nan], "reference.*no whole numbers"),
        (["a", "b"], [1, 2], "labels.*no whole numbers"),
        ([1, -1], [1, 2], "negative label -1"),
        ([1, 2], [0, 0], "reference has no ROI"),
        ([], [], "labels has no ROI"),
    ],
)
def test_bad_labels(labels, reference, words):
    with pytest.raises(ValueError, match=words):
        parcellation_overlap(labels, reference)


def test_is_a_gaussian_of_the_distance_in_mm():
    rng = np.random.default_rng(0)
    new, old = rng.uniform(-12, 12, (5, 3)), rng.uniform(-12, 12, (7, 3))
    weights = coordinate_overlap(new, old, fwhm=20)
    sigma = 20 / (2 * np.sqrt(2 * np.log(2)))
    for i in range(5):
        for j in range(7):
            distance = np.sqrt(sum((new[i] - old[j]) ** 2))
            expected = np.exp(-(distance**2) / (2 * sigma**2)) if distance <= 40 else 0.0
            assert weights[i, j] == pytest.approx(expected)


def test_weights_end_at_twice_the_width():
    weights = coordinate_overlap([[0, 0, 0]], [[0, 0, 31.9], [0, 0, 32.1]])
    assert weights[0, 0] > 0 and weights[0, 1] == 0


def test_a_roi_out_of_reach_is_named():
    far = [[0, 0, 0], [0, 90, 0], [50, 0, 0]]
    with pytest.raises(ValueError, match=r"Rows \[1, 2\] of coordinates lie more than 32 mm"):
        coordinate_overlap(far, [[0, 0, 0], [5, 5, 5]])
    assert (coordinate_overlap(far, [[0, 0, 0], [5, 5, 5]], fwhm=50).max(axis=1) > 0).all()


@pytest.mark.parametrize(
    ("coordinates", "fwhm", "words"),
    [
        (np.zeros((4, 2)), 16, r"coordinates has shape \(4, 2\)"),
        (np.zeros(3), 16, r"coordinates has shape \(3,\)"),
        (np.zeros((0, 3)), 16, r"coordinates has shape \(0, 3\)"),
        ([[0, 0, 0], [0, np.nan, 0]], 16, r"Rows \[1\] of coordinates are not finite"),
        ([["a", "b", "c"]], 16, "something else than numbers"),
        (np.zeros((1, 3)), 0, "fwhm=0"),
        (np.zeros((1, 3)), "wide", "fwhm='wide'"),
    ],
)
def test_bad_coordinates(coordinates, fwhm, words):
    with pytest.raises(ValueError, match=words):
        coordinate_overlap(coordinates, np.zeros((2, 3)), fwhm=fwhm)


def test_the_default_width_gives_nearly_the_shares_of_voxels():
    """Two parcellations, each voxel to the nearest of centroids about 16 mm apart."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(0, 64, 16.0)] * 3), axis=-1).reshape(-1, 3)
    new, old = (grid + rng.uniform(-4, 4, grid.shape) for _ in range(2))
    voxels = np.stack(np.meshgrid(*[np.arange(-8, 56, 2.0)] * 3), axis=-1).reshape(-1, 1, 3)
    labels = [1 + np.linalg.norm(voxels - c, axis=2).argmin(axis=1) for c in (new, old)]
    exact = parcellation_overlap(*labels)

    def distance(guess):
        shares = [overlap / overlap.sum(axis=1, keepdims=True) for overlap in (exact, guess)]
        return np.abs(shares[0] - shares[1]).sum(axis=1).mean() / 2

    assert distance(coordinate_overlap(new, old)) < 0.15
    assert distance(coordinate_overlap(new, old)) < distance(coordinate_overlap(new, old, 8))
    assert distance(coordinate_overlap(new, old)) < distance(coordinate_overlap(new, old, 32))


def test_images_and_their_paths(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 4, (5, 6, 7)).astype(np.int16) for _ in range(2)]
    expected = parcellation_overlap(*arrays)
    images = [nib.Nifti1Image(array, np.diag([2, 2, 2, 1])) for array in arrays]
    np.testing.assert_array_equal(parcellation_overlap(*images), expected)
    paths = [tmp_path / f"{name}.nii.gz" for name in "ab"]
    for image, path in zip(images, paths, strict=True):
        nib.save(image, path)
    np.testing.assert_array_equal(parcellation_overlap(str(paths[0]), paths[1]), expected)
    other = nib.Nifti1Image(arrays[1], np.diag([3, 3, 3, 1]))
    with pytest.raises(ValueError, match=r"different grids.*Resample"):
        parcellation_overlap(images[0], other)
