import numpy as np
import pytest

from bsymlearn.io import read_cohort


def write_named(path, names, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, delimiter="\t", header="\t".join(names), comments="")


def test_loaded_arrays_are_in_one_order(tmp_path):
    """As the gate does with the files themselves, which keep their names."""
    values = np.arange(12.0).reshape(4, 3)
    write_named(tmp_path / "sub-1" / "sub-1_timeseries.tsv", "abc", values)
    write_named(tmp_path / "sub-2" / "sub-2_timeseries.tsv", "bca", values[:, [1, 2, 0]])
    connectome = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
    path = tmp_path / "sub-2" / "sub-2_connectome.csv"
    np.savetxt(path, connectome[np.ix_([1, 2, 0], [1, 2, 0])], delimiter=",")
    table = read_cohort(tmp_path, load=True)
    assert table.attrs["roi_names"] == ["a", "b", "c"]
    for series in table["timeseries"]:
        np.testing.assert_array_equal(series, values)
    np.testing.assert_array_equal(table["connectome"].iloc[1], connectome)
    write_named(tmp_path / "sub-3" / "sub-3_timeseries.tsv", "abd", values)
    with pytest.raises(ValueError, match=r"sub-3 .*same ROIs: \['c', 'd'\].*atlas="):
        read_cohort(tmp_path, load=True)
