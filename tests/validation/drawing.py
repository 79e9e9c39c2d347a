"""Drawing the arrays of a cohort, each as a user may have it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import reject

from tests.validation import material
from tests.validation.generated import Cohort

MISSING = (None, np.nan, pd.NA, pd.NaT)
TIMES = (0.8, 1.5, 2.0)
_LARGEST_UNSCALED = 1e3  # of connectomes


@dataclass
class Context:
    """What drawing a cohort needs at hand.

    Attributes
    ----------
    pick : callable
        Draws one of its arguments.
    decide : callable
        The same, unless the test has fixed what it names.
    """

    pick: Callable
    decide: Callable
    rng: np.random.Generator
    cohort: Cohort
    n_rows: int
    modality: str

    def units(self):
        """Draw a type and a unit that it can hold."""
        dtype = self.decide("dtype", *material.DTYPES)
        if self.cohort.form != "univariate" and dtype not in material.NARROW:
            return dtype, 10.0 ** self.pick(0, 0, *range(-12, 13))
        return dtype, 1.0

    def takes_nan(self, array):
        """Tell whether NaN may be put into an array."""
        return self.cohort.options["nan_policy"] == "omit" and array.dtype.kind in "fO"

    def add_series(self):
        """Draw time series, sample masks and repetition times."""
        cohort, pick = self.cohort, self.pick
        times = self.decide("t_r", None, None, "same", "mixed", "parameter")
        if cohort.form != "table" and times is not None:
            times = "parameter"
        dtype, unit = self.units()
        lengths = range(20 if times == "mixed" else 2, 61)
        same_length = pick(*lengths) if cohort.form in ("array", "univariate") else None
        cells, masks, truth, whole = [], [], [], []
        for _ in range(self.n_rows):
            length = same_length or pick(*lengths)
            series, kept = self.draw_series(length, dtype, unit, resampled=times == "mixed")
            cell, mask, kept = self.dress_mask(series, kept)
            cells.append(material.lay_out(cell, pick(*material.LAYOUTS)))
            masks.append(mask)
            whole.append(kept)
            seen = np.array(series[: len(kept)], dtype=np.float32)
            seen[~kept] = self.rng.normal(scale=1e3, size=seen[~kept].shape)
            truth.append(seen)
        if all(s.shape == s.T.shape and np.array_equal(s, s.T) for s in truth):
            reject()  # they look like connectomes
        cohort.cells["timeseries"], cohort.truth["timeseries"] = cells, truth
        if not all(kept.all() for kept in whole):
            cohort.cells["sample_mask"], cohort.truth["sample_mask"] = masks, whole
        if times == "parameter":
            cohort.options["t_r"] = pick(*TIMES)
        elif times is not None:
            drawn = [pick(*TIMES) for _ in range(self.n_rows)]
            drawn = [drawn[0]] * self.n_rows if times == "same" else drawn
            cohort.cells["t_r"] = [pick(float, np.float32, str, np.array)(t) for t in drawn]
            cohort.truth["t_r"] = drawn

    def draw_series(self, length, dtype, unit, resampled):
        """Draw one series, of which some ROI varies, and which volumes are kept."""
        rng, n_rois = self.rng, self.cohort.n_rois
        values = material.make_series(rng, length, n_rois, self.pick(*material.KINDS))
        series = material.cast(values, dtype, unit)
        kept = np.ones(length, dtype=bool)
        if self.cohort.form == "table" and self.decide("censored", False, False, True):
            kept = self.censor(length, at_one_end=resampled)
        roi = rng.integers(n_rois)
        if self.takes_nan(series):
            material.drop_entries(rng, series, self.pick(None, "entries", "columns", "rows"))
        material.enliven(series, roi, *rng.choice(np.flatnonzero(kept), 2, replace=False))
        if resampled:  # a single spike beside missing entries might not survive it
            series[:, roi] = np.arange(length) > length // 2
        return series, kept

    def censor(self, length, at_one_end):
        """Draw which volumes are kept, at least two."""
        if at_one_end:
            kept = np.arange(length) >= length // 3
            return kept if self.pick(True, False) else kept[::-1].copy()
        kept = self.rng.random(length) < 0.7
        kept[self.rng.choice(length, 2, replace=False)] = True
        return kept

    def dress_mask(self, series, kept):
        """Write a sample mask in one of its forms; gives cell, mask, and what the mask says."""
        if kept.all() and self.pick(True, False):
            return series, self.pick(*MISSING), kept
        cut = self.pick(False, True)
        form = self.pick("array", "list", "series", "indices", "list of indices", "int8")
        if form in ("array", "list", "series"):
            mask = {"array": np.array, "list": list, "series": pd.Series}[form](kept.tolist())
        else:
            indices = np.flatnonzero(kept)
            mask = indices.tolist() if form == "list of indices" else indices
            mask = indices.astype(np.int8) if form == "int8" else mask
            if cut:  # indices do not tell of volumes behind the last one
                kept = kept[: indices[-1] + 1]
        return (series[: len(kept)][kept] if cut else series), mask, kept

    def add_connectomes(self):
        """Draw connectomes in one unit."""
        cohort, pick, rng = self.cohort, self.pick, self.rng
        dtype, unit = self.units()
        signed = pick(False, True) and dtype not in ("u1", "?")
        scaled = pick(True, True, False)
        if not scaled:
            cohort.options["connectome_scaling"] = None
        if signed or not scaled:
            unit = min(unit, _LARGEST_UNSCALED)
        cells, truth = [], []
        for _ in range(self.n_rows):
            weights = material.make_connectome(rng, cohort.n_rois, pick(*material.WEIGHTS))
            weights = np.abs(weights) * rng.uniform(0.3, 1)
            if signed:
                weights *= np.where(rng.random(weights.shape) < 0.3, -1, 1)
            array = material.cast(weights, dtype, unit)
            if self.takes_nan(array):
                known = array[:2, :2].copy()
                material.drop_entries(rng, array, pick(None, "entries", "edges"))
                array[:2, :2] = known
            cells.append(material.lay_out(array, pick(*material.LAYOUTS)))
            truth.append(np.array(array, dtype=np.float32))
        cohort.cells["connectome"], cohort.truth["connectome"] = cells, truth
