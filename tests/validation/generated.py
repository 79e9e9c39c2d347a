"""A generated cohort in the form that a user has it, with the truth about it."""

import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tests.validation import material

SIZES = {"dim": 8, "n_layers": 1, "n_heads": 2, "mlp_dim": 16, "random_state": 0, "device": "cpu"}
FORMS = ("table", "list", "array", "univariate")
ARRAYS = ("timeseries", "connectome")


@dataclass
class Cohort:
    """A cohort as a user has it, and what is meant by it.

    Attributes
    ----------
    form : one of FORMS
    n_rois : int
    options : dict
        Parameters of an estimator, beside its sizes.
    cells : dict of list
        What X holds of each row: "timeseries" and/or "connectome", "sample_mask", "t_r".
    truth : dict of list
        The same as plain float32 arrays in one order of ROIs, with other numbers where volumes
        are censored.
    container : str
        How the form is dressed: "tuple", "frame", …
    frame : dict
        Index, further columns and order of columns of a table.
    """

    form: str
    n_rois: int
    options: dict
    cells: dict = field(default_factory=dict)
    truth: dict = field(default_factory=dict)
    container: str = "plain"
    frame: dict = field(default_factory=dict)

    def _repr_pretty_(self, printer, cycle):  # what hypothesis prints
        shapes = {n: [np.shape(cell) for cell in cells] for n, cells in self.cells.items()}
        printer.text(f"Cohort({self.form!r}, {self.container!r}, {self.options}, {shapes})")

    def __len__(self):
        return len(next(iter(self.cells.values())))

    @property
    def parameters(self):
        """Parameters of an estimator."""
        return SIZES | self.options

    def X(self, cells=None):
        """Assemble X, of these cells or others."""
        cells = self.cells if cells is None else cells
        if self.form == "table":
            return self._table(cells)
        scans = next(iter(cells.values()))
        if self.form == "list":
            if self.container == "objects":
                holder = np.empty(len(scans), dtype=object)
                for i, scan in enumerate(scans):
                    holder[i] = scan
                return holder
            return {"tuple": tuple, "series": pd.Series}.get(self.container, list)(scans)
        stacked = np.stack([np.asarray(scan) for scan in scans])
        if self.form == "univariate":
            stacked = stacked[:, :, 0]
        if self.container == "frame":
            return pd.DataFrame(stacked)
        if self.container == "lists":
            return stacked.tolist()
        return material.lay_out(stacked, self.container)

    def _table(self, cells):
        index, more, order = (self.frame[name] for name in ("index", "more", "order"))
        columns = [pd.Series(cell, index, dtype=object, name=name) for name, cell in cells.items()]
        columns += [pd.Series(cell, index, name=name) for name, cell in more]
        shuffled = np.random.default_rng(order).permutation(len(columns))
        return pd.concat([columns[i] for i in shuffled], axis=1)

    def alone(self, X, i):
        """Give X of one row."""
        return X.iloc[[i]] if hasattr(X, "iloc") else X[i : i + 1]

    def plain(self):
        """Give the truth as a plain table, that of 2-D X as an array."""
        return self._plain(self.truth)

    def _plain(self, truth):
        if self.form == "univariate":
            return np.stack(truth["timeseries"])[:, :, 0]
        columns = {name: pd.Series(cells, dtype=object) for name, cells in truth.items()}
        return pd.DataFrame(columns)

    def with_other_unseen(self, rng):
        """Give the truth with other numbers where an encoder must not see any."""
        truth = {name: list(cells) for name, cells in self.truth.items()}
        fills = [7.0, -1e9, np.nan] if self.options["nan_policy"] == "omit" else [7.0, -1e9]
        for i, series in enumerate(truth.get("timeseries", [])):
            if series is None or self.form == "univariate":
                continue
            whole = np.ones(len(series), dtype=bool)
            kept = truth["sample_mask"][i] if "sample_mask" in truth else whole
            truth["timeseries"][i] = series = series.copy()
            still = [len(set(roi[np.isfinite(roi)])) < 2 for roi in series[kept].T]
            series[:, still] = rng.choice(fills)
            series[~kept] = rng.choice([np.nan, np.inf, -1e30, 0.0], size=series[~kept].shape)
        for i, connectome in enumerate(truth.get("connectome", [])):
            if connectome is not None:
                truth["connectome"][i] = connectome = connectome.copy()
                np.fill_diagonal(connectome, rng.choice([-1e6, 0.0, 3.0]))
        return self._plain(truth)

    def on_disk(self, folder, rng):
        """Write all that can be a file into a folder; gives X with paths to them."""
        cells = {name: list(column) for name, column in self.cells.items()}
        times = cells.pop("t_r", None)
        for i in range(len(self)):
            stem = f"{rng.integers(2**62)}"
            for column in ARRAYS:
                cell = cells.get(column, [None] * len(self))[i]
                if np.ndim(cell) == 2:
                    cells[column][i] = _write(cell, folder / f"{stem}_{column}", rng)
                    if column == "timeseries" and times is not None:
                        sidecar = {"RepetitionTime": float(times[i])}
                        (folder / f"{stem}_{column}.json").write_text(json.dumps(sidecar))
            if "sample_mask" in cells:
                outliers = pd.DataFrame({"fd": ~self.truth["sample_mask"][i], "exact_10": 1})
                cells["sample_mask"][i] = folder / f"{stem}_outliers.tsv"
                outliers.astype(int).to_csv(cells["sample_mask"][i], sep="\t", index=False)
        return self.X(cells)


def _write(cell, path, rng):
    """Write an array as text, or as .npy where it has no names."""
    frame = isinstance(cell, pd.DataFrame)
    array = np.asarray(cell).astype(np.float32)
    if not frame and rng.random() < 0.5:
        np.save(f"{path}.npy", np.asarray(cell).astype(float))
        return f"{path}.npy"
    suffix, separator = (".tsv", "\t") if rng.random() < 0.5 else (".csv", ",")
    table = pd.DataFrame(array, columns=cell.columns if frame else None)
    form = {"header": frame, "index": False, "na_rep": "n/a", "float_format": "%.9g"}
    table.to_csv(f"{path}{suffix}", sep=separator, **form)
    return f"{path}{suffix}"
