"""Small cohorts, and sizes of an encoder, for tests of what is refused."""

import numpy as np
import pandas as pd

N_ROIS = 9

TINY = {
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "time_steps": 12,
    "encoder": {"structural_layers": 1},
    "random_state": 0,
    "device": "cpu",
}


def smooth(n_timepoints=30, n_rois=N_ROIS, seed=0):
    """Series that are smooth in time and unrelated along ROIs."""
    noise = np.random.default_rng(seed).normal(size=(n_timepoints + 4, n_rois))
    return np.lib.stride_tricks.sliding_window_view(noise, 5, axis=0).mean(axis=-1)


def counts(n_rois=N_ROIS, seed=0, largest=9000):
    weights = np.random.default_rng(seed).integers(0, largest, size=(n_rois, n_rois))
    return (weights + weights.T).astype(float)


def scans(lengths=(30, 40, 25, 30)):
    return [smooth(n, seed=i) for i, n in enumerate(lengths)]


def connectomes(n=4):
    return np.stack([counts(seed=i) for i in range(n)])


def table(**columns):
    columns = {"timeseries": scans(), "connectome": list(connectomes())} | columns
    index = pd.Index([f"sub-{i}" for i in range(4)], name="participant_id")
    return pd.DataFrame(
        {k: pd.Series(v, index=index, dtype=object) for k, v in columns.items()}, index=index
    )


def but_one(items, new):
    items = list(items)
    items[1] = new
    return items


def spoilt(value):
    series = smooth()
    series[3, 2] = value
    return series
