import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from bsymlearn.plotting import plot_network_matrix

NETWORKS = np.array(["b", "a", "b", "a", "c"])


@pytest.fixture
def matrix():
    return np.arange(25.0).reshape(5, 5)


def drawn(ax):
    return np.ma.filled(ax.get_images()[0].get_array(), np.nan)


def test_rows_and_columns_are_sorted_by_network_and_stable(matrix):
    image = drawn(plot_network_matrix(matrix, NETWORKS))
    expected = matrix[[1, 3, 0, 2, 4]][:, [1, 3, 0, 2, 4]]
    off_diagonal = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(image[off_diagonal], expected[off_diagonal])


def test_asymmetric_entry_keeps_its_orientation():
    matrix = np.zeros((3, 3))
    matrix[2, 0] = 1.0
    image = drawn(plot_network_matrix(matrix, [1, 0, 0]))  # order: 1, 2, 0
    assert image[1, 2] == 1.0
    assert np.nansum(image) == 1.0


def test_input_is_left_alone(matrix):
    before = matrix.copy()
    plot_network_matrix(matrix, NETWORKS)
    np.testing.assert_array_equal(matrix, before)


def test_lines_lie_between_networks(matrix):
    ax = plot_network_matrix(matrix, NETWORKS)
    horizontal = {line.get_ydata()[0] for line in ax.get_lines() if len(set(line.get_ydata())) == 1}
    assert horizontal == {1.5, 3.5}


def test_names_label_networks_in_sorted_order(matrix):
    ax = plot_network_matrix(matrix, NETWORKS, names=["first", "second", "third"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["first", "second", "third"]
    np.testing.assert_allclose(ax.get_yticks(), [0.5, 2.5, 4.0])


def test_signed_matrix_has_colours_symmetric_about_zero(matrix):
    low, high = plot_network_matrix(matrix - 6, NETWORKS).get_images()[0].get_clim()
    assert low == -high


def test_unsigned_matrix_has_the_range_of_its_entries(matrix):
    entries = (matrix + 100)[~np.eye(5, dtype=bool)]
    limits = plot_network_matrix(matrix + 100, NETWORKS).get_images()[0].get_clim()
    np.testing.assert_allclose(limits, np.percentile(entries, [1, 99]))


def test_diagonal_does_not_set_the_range():
    matrix = np.linspace(0.1, 0.2, 25).reshape(5, 5)
    np.fill_diagonal(matrix, 100.0)
    assert plot_network_matrix(matrix, NETWORKS).get_images()[0].get_clim()[1] < 0.2


def test_networks_keep_their_colours_whatever_stands_beside_them(matrix):
    def strip(names):
        ax = plot_network_matrix(matrix, NETWORKS, names=names)
        found = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
        return dict(zip(names, (to_hex(p.get_facecolor()) for p in found[::2]), strict=True))

    one, other = strip(["Vis", "SomMot", "Default"]), strip(["DMN", "x", "visual"])
    assert one["Vis"] == other["visual"]
    assert one["Default"] == other["DMN"]
    assert len(set(one.values())) == 3


def test_constant_and_missing_entries_draw():
    plot_network_matrix(np.zeros((3, 3)), [0, 1, 1])
    plot_network_matrix(np.full((3, 3), np.nan), [0, 1, 1])


def test_draws_on_given_axes(matrix, new_axes):
    assert plot_network_matrix(matrix, NETWORKS, ax=new_axes) is new_axes


def test_stack_of_matrices_is_refused(matrix):
    with pytest.raises(ValueError, match=r"\(2, 5, 5\).*\(n_rois, n_rois\).*Average"):
        plot_network_matrix(np.stack([matrix, matrix]), NETWORKS)


def test_label_count_is_checked(matrix):
    with pytest.raises(ValueError, match=r"\(4,\), but matrix has 5 ROIs"):
        plot_network_matrix(matrix, NETWORKS[:4])


def test_name_count_is_checked(matrix):
    with pytest.raises(ValueError, match="2 names, but networks has 3"):
        plot_network_matrix(matrix, NETWORKS, names=["x", "y"])
