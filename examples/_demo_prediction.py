"""The demo's part with labels: cross-validated prediction from embeddings and simple features."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
from nilearn.connectome import ConnectivityMeasure
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from bsymlearn import BrainSymphonyTransformer
from bsymlearn.preprocessing import scale_connectome

SCANS = ("timeseries", "connectome")
DEMOGRAPHICS = ("age", "sex", "gender", "site", "mean_fd")
NO_TARGETS = (*SCANS, "site", "mean_fd", "t_r")  # what is acquired or measured, not asked
FAVOURITES = ("age", "sex", "gender", "diagnosis", "group", "dx", "condition")
MIN_CLASS = 10
ALPHAS = np.logspace(-1, 5, 13)


class WhereMeasured(TransformerMixin, BaseEstimator):
    """Fit and apply a transformer to the rows that have a modality; NaN for the others."""

    def __init__(self, transformer, column):
        self.transformer = transformer
        self.column = column

    def fit(self, X, y=None):
        self.transformer_ = clone(self.transformer).fit(X[X[self.column].notna()])
        return self

    def transform(self, X):
        measured = X[self.column].notna().to_numpy()
        if not measured.any():
            raise ValueError(f"No row of a fold has a {self.column}; use fewer folds.")
        features = self.transformer_.transform(X[measured])
        full = np.full((len(X), features.shape[1]), np.nan, dtype=np.float32)
        full[measured] = features
        return full


def choose_targets(table: pd.DataFrame, wanted: list[str] | None = None) -> list[str]:
    """Choose columns to predict: those asked for, or at most two with enough rows."""
    if wanted:
        absent = [name for name in wanted if name not in table or name in SCANS]
        if absent:
            raise ValueError(
                f"There is no label {absent[0]!r}; the table has {table.columns.tolist()}."
            )
        return list(wanted)
    candidates = [
        name
        for name in table.columns
        if name not in NO_TARGETS and not name.endswith("id") and is_target(table[name])
    ]
    favourites = [name for name in candidates if name.lower() in FAVOURITES]
    return (favourites or candidates)[:2]


def is_target(values: pd.Series) -> bool:
    """Tell whether a column is a measure, or has classes that are large enough."""
    counts = values.value_counts()
    if is_measure(values):
        return int(counts.sum()) >= 4 * MIN_CLASS
    return len(counts) > 1 and int(counts.min()) >= MIN_CLASS


def is_measure(values: pd.Series) -> bool:
    """Tell a measure (age) from a class (sex, also where coded 0 and 1)."""
    return pd.api.types.is_numeric_dtype(values) and values.nunique() > 10


def predict(table: pd.DataFrame, targets: list[str], settings, seed: int, more: dict | None = None):
    """Score every method for every target on the same rows and folds.

    All targets and permuted copies of them are columns of one Y, so that an encoder is pretrained
    once per fold; the pretraining never sees Y. `more` holds further methods: name and steps.
    """
    known = table[targets].notna().all(axis=1)
    table = table[known]
    groups = pd.factorize(table.index.get_level_values(0))[0]
    blocks = {name: encode(table[name]) for name in targets}
    order = np.random.default_rng(seed).permutation(len(table))
    Y = np.hstack([*blocks.values(), *(block[order] for block in blocks.values())])
    folds = make_folds(table[targets], groups, settings.n_folds, seed)

    methods = feature_sets(table, targets, settings, seed) | (more or {})
    predicted = {}
    for name, features in methods.items():
        model = make_pipeline(*features, StandardScaler(), RidgeCV(ALPHAS, alpha_per_target=True))
        predicted[name] = cross_val_predict(model, table, Y, cv=folds, n_jobs=settings.n_jobs)
        print(f"  {name}", flush=True)

    rows = []
    edges = np.cumsum([0, *(block.shape[1] for block in blocks.values())])
    first = next(iter(predicted))
    for (name, truth), (start, stop) in zip(blocks.items(), pairwise(edges), strict=True):
        scored = {method: (truth, values[:, start:stop]) for method, values in predicted.items()}
        permuted = slice(edges[-1] + start, edges[-1] + stop)
        scored["permuted labels"] = (truth[order], predicted[first][:, permuted])
        measure, label, chance = (
            (pearson, "r", 0.0) if is_measure(table[name]) else (auc, "AUC", 0.5)
        )
        for method, (labels, guess) in scored.items():
            by_fold = [measure(labels[test], guess[test]) for _, test in folds]
            low, high = interval(measure, labels, guess, groups, settings.n_bootstraps, seed)
            rows.append(
                {
                    "target": f"{name} ({label})",
                    "method": method,
                    "score": measure(labels, guess),
                    "low": low,
                    "high": high,
                    "fold_mean": np.nanmean(by_fold),
                    "fold_sd": np.nanstd(by_fold, ddof=1),
                    "chance": chance,
                }
            )
    return pd.DataFrame(rows).set_index(["target", "method"]), notes(table, first, settings)


def encode(values: pd.Series) -> np.ndarray:
    """Return a measure as one column, classes as one indicator each (one for two classes)."""
    if is_measure(values):
        return values.to_numpy(dtype=float)[:, None]
    dummies = pd.get_dummies(values.astype(str)).to_numpy(dtype=float)
    return dummies[:, 1:] if dummies.shape[1] == 2 else dummies


def make_folds(labels: pd.DataFrame, groups: np.ndarray, n_folds: int, seed: int) -> list:
    """Split participants so that all targets are alike in all folds (measures by thirds)."""
    binned = [
        pd.qcut(labels[name], 3, labels=False, duplicates="drop")
        if is_measure(labels[name])
        else labels[name]
        for name in labels
    ]
    strata = pd.factorize(pd.Series(zip(*binned, strict=True)))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # strata smaller than the number of folds
        split = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        return list(split.split(strata, strata, groups))


def feature_sets(table: pd.DataFrame, targets: list[str], settings, seed: int) -> dict:
    """List the steps that turn rows into features, by method."""
    impute = SimpleImputer(keep_empty_features=True)
    simple = {"timeseries": functional_connectivity(), "connectome": log_connectomes()}
    present = [name for name in SCANS if name in table]
    parts = {name: WhereMeasured(simple[name], name) for name in present}

    def embedding(modality):
        sizes = settings.encoder | settings.readouts[modality]
        return BrainSymphonyTransformer(modality, random_state=seed, **sizes)

    sets = {}
    if len(present) == 2:
        sets["fused embedding"] = [embedding("multimodal")]
    for column, modality in zip(SCANS, ("functional", "structural"), strict=True):
        if column in present:
            encoder = WhereMeasured(embedding(modality), column)
            sets[f"{modality} embedding"] = [encoder, clone(impute)]
    for column, name in zip(SCANS, ("FC", "connectome"), strict=True):
        if column in present:
            sets[name] = [parts[column], clone(impute)]
    if len(present) == 2:
        sets["FC and connectome"] = [FeatureUnion(list(parts.items())), clone(impute)]
    others = [n for n in table.columns if n.lower() in DEMOGRAPHICS and n not in targets]
    if others:
        sets["demographics"] = [demographics(table, others)]
    return sets


def functional_connectivity() -> Pipeline:
    """Fisher z of the (shrunk) correlations, as a vector."""
    measure = ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True)
    return make_pipeline(FunctionTransformer(series_of), measure, FunctionTransformer(fisher_z))


def log_connectomes() -> FunctionTransformer:
    """Edges of the connectomes; counts as log10(1 + w), signed weights as they are."""
    return FunctionTransformer(edges_of)


def demographics(table: pd.DataFrame, columns: list[str]):
    """Measures as they are, classes as indicators."""
    numbers = SimpleImputer(keep_empty_features=True)
    return make_column_transformer(
        (numbers, [n for n in columns if pd.api.types.is_numeric_dtype(table[n])]),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            [n for n in columns if not pd.api.types.is_numeric_dtype(table[n])],
        ),
    )


def series_of(table: pd.DataFrame) -> list[np.ndarray]:
    """Return the series as nilearn takes them."""
    return list(table["timeseries"])


def fisher_z(correlations: np.ndarray) -> np.ndarray:
    """Return artanh of correlations."""
    return np.arctanh(np.clip(correlations, -0.999, 0.999))


def edges_of(table: pd.DataFrame) -> np.ndarray:
    """Return the lower triangles of the scaled connectomes, (n_scans, n_edges)."""
    scaled = np.stack([scale_connectome(cell) for cell in table["connectome"]])
    return scaled[(slice(None), *np.tril_indices(scaled.shape[1], -1))]


def pearson(truth: np.ndarray, guess: np.ndarray) -> float:
    """Correlation of predictions with the truth; 0 where all predictions are equal."""
    if np.ptp(guess) < 1e-9:
        return 0.0
    return float(np.corrcoef(truth[:, 0], guess[:, 0])[0, 1])


def auc(truth: np.ndarray, guess: np.ndarray) -> float:
    """Area under the ROC curve, one class against the rest where there are several."""
    both = [k for k in range(truth.shape[1]) if 0 < truth[:, k].mean() < 1]
    if not both:
        return np.nan
    return float(np.mean([roc_auc_score(truth[:, k], guess[:, k]) for k in both]))


def interval(measure, truth, guess, groups, n_bootstraps: int, seed: int) -> tuple[float, float]:
    """95 % interval of a pooled score by resampling participants."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    scores = []
    for _ in range(n_bootstraps):
        drawn = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        scores.append(measure(truth[drawn], guess[drawn]))
    low, high = np.nanpercentile(scores, [2.5, 97.5])
    return float(low), float(high)


def notes(table: pd.DataFrame, first: str, settings) -> str:
    """Say how the numbers were made."""
    lines = [
        "Scores of all out-of-fold predictions together (r: correlation, AUC: area under the ROC",
        "curve) with a 95 % interval by bootstrap over participants; then mean and SD over the",
        f"{settings.n_folds} folds. All methods have the same rows and folds, and end in "
        "StandardScaler and RidgeCV.",
        "Encoders are pretrained anew, without labels, in each training fold.",
        f"Permuted labels: {first}, labels shuffled between rows.",
    ]
    lacking = {name: int(table[name].isna().sum()) for name in SCANS if name in table}
    if any(lacking.values()):
        told = ", ".join(f"{count} of {name}" for name, count in lacking.items())
        lines += [f"Missing: {told}, where every method", "puts in the mean of the training fold."]
    return "\n".join(lines)
