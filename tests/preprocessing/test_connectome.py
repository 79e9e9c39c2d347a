import numpy as np

from bsymlearn.preprocessing import scale_connectome


def test_counts_become_logarithms_with_an_empty_diagonal():
    counts = np.array([[7, 9, 0], [9, 3, 99999], [0, 99999, 1]])
    expected = np.log10(1.0 + counts) * ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(scale_connectome(counts), expected, rtol=1e-6)


def test_signed_connectome_keeps_its_weights():
    signed = np.array([[1, -0.5, 0.2], [-0.5, 1, 0], [0.2, 0, 1]])
    expected = signed * ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(scale_connectome(signed), expected, rtol=1e-6)


def test_input_is_left_alone():
    counts = np.full((3, 3), 4.0)
    scale_connectome(counts)
    assert (counts == 4).all()


def test_missing_weights_stay_missing():
    weights = np.array([[0, 9, np.nan], [9, 0, 99], [np.nan, 99, 0]])
    np.testing.assert_allclose(
        scale_connectome(weights), [[0, 1, np.nan], [1, 0, 2], [np.nan, 2, 0]]
    )
