"""Whether X is what it was."""

import numpy as np
import pandas as pd


def native(array):
    """Give the type of what is in an array; pickling brings it into the native order of bytes."""
    dtype = getattr(array, "dtype", None)
    return dtype.newbyteorder("=") if isinstance(dtype, np.dtype) else dtype


def assert_same(one, other):
    """Compare deeply: types, values, order."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        assert one.index.identical(other.index) and one.columns.identical(other.columns)
        assert_same([one.iloc[:, i] for i in range(one.shape[1])],
                    [other.iloc[:, i] for i in range(one.shape[1])])  # fmt: skip
    elif isinstance(one, list | tuple | pd.Series):
        assert native(one) == native(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    elif isinstance(one, np.ndarray):
        assert native(one) == native(other)
        if one.dtype == object:
            assert_same(one.tolist(), other.tolist())
        else:
            np.testing.assert_array_equal(one, other)
    else:
        assert one is other or one == other or (pd.isna(one) and pd.isna(other))
