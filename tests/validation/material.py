"""Arrays as users have them: odd, but fine."""

import numpy as np

KINDS = ("smooth", "white", "walk", "spiky", "offsets", "dead", "lone", "copies")
WEIGHTS = ("counts", "sparse", "correlations", "asymmetric", "holes")
DTYPES = ("<f4", "<f8", "<f2", ">f4", ">f8", "g", "i1", "<i4", ">i4", "<i8", "u1", "?", "O")
LAYOUTS = ("plain", "fortran", "strided", "reversed", "readonly")
NARROW = ("<f2", "i1", "u1", "?")  # cannot hold large or small units


def make_series(rng, n_timepoints, n_rois, kind):
    """Draw a series whose entries are at most 1."""
    noise = rng.normal(size=(n_timepoints + 4, n_rois))
    series = noise[4:]
    if kind != "white":
        series = np.lib.stride_tricks.sliding_window_view(noise, 5, axis=0).mean(axis=-1)
    if kind == "walk":
        series = series.cumsum(axis=0)
    elif kind == "spiky":
        series = np.where(rng.random(series.shape) < 0.15, series, 0)
    elif kind == "offsets":
        series = series + rng.normal(scale=20, size=n_rois)
    elif kind == "dead":
        series = np.where(rng.random(n_rois) < 0.5, series, rng.choice([0.0, 1.0, -3.0]))
    elif kind == "lone":
        series = np.where(np.arange(n_rois) == rng.integers(n_rois), series, 0)
    elif kind == "copies":
        series = np.repeat(series[:, :1], n_rois, axis=1)
    return series / max(np.abs(series).max(), 1e-3)


def make_connectome(rng, n_rois, kind):
    """Draw a connectome whose largest weight is 1, and off the diagonal."""
    weights = rng.random((n_rois, n_rois)) ** 3
    if kind == "correlations":
        weights = np.corrcoef(rng.normal(size=(max(n_rois, 2), 30)))[:n_rois, :n_rois]
    elif kind == "sparse":
        weights *= rng.random(weights.shape) < 0.3
    elif kind == "holes":
        alive = rng.random(n_rois) < 0.6
        weights *= alive & alive[:, None]
    if kind != "asymmetric":
        weights = (weights + weights.T) / 2
    if n_rois > 1:
        weights[0, 1] = weights[1, 0] = np.abs(weights).max() + 0.1
        weights /= weights[0, 1]
    return weights


def cast(values, dtype, unit):
    """Bring values of at most 1 to a type, and to a unit where the type can hold it."""
    if dtype == "?":
        return values > values.max() / 2
    if dtype == "u1":
        return np.round(50 + 50 * values).astype("u1")
    if np.dtype(dtype).kind == "i":
        return np.round(100 * values).astype(dtype)
    return (values * (100 if dtype == "<f2" else unit)).astype(dtype)


def lay_out(array, layout):
    """Give the same values another layout in memory."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    array = array.copy()
    array.flags.writeable = layout != "readonly"
    return array


def enliven(series, roi, first, second):
    """Make a ROI vary between two time points; NaN there goes."""
    high = np.abs(np.asarray(series, dtype=np.float64))
    high = np.nanmax(high) if np.isfinite(high).any() else 0
    low, high = (False, True) if series.dtype == bool else (0, high or 1)
    series[first, roi], series[second, roi] = low, high


def drop_entries(rng, array, kind):
    """Put NaN where something is missing."""
    if kind == "entries":
        array[rng.random(array.shape) < 0.2] = np.nan
    elif kind == "columns":
        array[:, rng.random(array.shape[1]) < 0.4] = np.nan
    elif kind == "rows":
        array[rng.random(array.shape[0]) < 0.3] = np.nan
    elif kind == "edges":  # both directions, and some of the diagonal
        gone = rng.random(array.shape) < 0.2
        array[gone | gone.T] = np.nan
