"""BrainSymphony on 600 real scans of ABIDE I, beside functional connectivity.

Run ``python -m benchmarks.abide [SECTION ...] --data ../shared/data`` with sections out of
"reconstruction", "pipeline", "random_folds", "union", "columns" and "grid" (default: all). Each
writes ``benchmarks/results/abide_SECTION.md``. Pretraining happens inside the training folds.
"""

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.connectome import ConnectivityMeasure, sym_matrix_to_vec
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from benchmarks._reconstruction import model_r2, permute_visible, ridge_r2
from bsymlearn import BrainSymphonyTransformer

RESULTS = Path(__file__).parent / "results"
HELD_OUT_SITES = ("CALTECH", "MAX_MUN", "UCLA_2")
SMALL = {
    "dim": 64,
    "n_layers": 1,
    "n_heads": 4,
    "mlp_dim": 128,
    "time_steps": 64,
    "max_epochs": 3,
    "lr": 5e-3,
    "recipe": "staged",
    "encoder": {"perceiver_width": 64, "n_latent_blocks": 1, "dropout": 0.0},
    "validation_fraction": 0.0,
    "spectral_power": 0.35,
    "random_state": 0,
}
BRIEF = SMALL | {"dim": 32, "max_epochs": 1}


def load(data):
    """Read the scans and their labels; series stay ragged."""
    folder = Path(data) / "abide_dev"
    arrays = dict(np.load(folder / "abide_dev_cc200.npz"))
    offsets = arrays["offsets"]
    scans = [arrays["ts"][a:b] for a, b in pairwise(offsets)]
    labels = pd.read_csv(folder / "participants.tsv", sep="\t").set_index("file_id")
    return scans, labels.loc[arrays["file_id"]]


def fisher_z(correlations):
    """Arctanh, away from the poles."""
    return np.arctanh(np.clip(correlations, -0.999, 0.999))


def spectral_power(correlations, power):
    """Raise the eigenvalues of (correlations + 1e-3 I) to a power; lower triangles."""
    values, vectors = np.linalg.eigh(correlations + 1e-3 * np.eye(correlations.shape[-1]))
    powered = vectors * np.maximum(values, 0)[:, None] ** power @ vectors.transpose(0, 2, 1)
    return sym_matrix_to_vec(powered, discard_diagonal=True)


def connectivity(power=None):
    """FC as a vector: Fisher z, or with its spectrum flattened."""
    fc = ConnectivityMeasure(kind="correlation", vectorize=power is None, discard_diagonal=True)
    last = FunctionTransformer(fisher_z if power is None else spectral_power)
    if power is not None:
        last.set_params(kw_args={"power": power})
    return Pipeline([("fc", fc), ("last", last)])


def classifier():
    """The linear model of every row."""
    return LogisticRegression(C=1e-3, class_weight="balanced", max_iter=2000)


def pipeline(embed, memory=None):
    """Embed, scale, classify; with `memory`, an encoder that was fitted before comes back."""
    steps = [("embed", embed), ("scale", StandardScaler()), ("clf", classifier())]
    return Pipeline(steps, memory=memory)


def evaluate(model, X, y, cv, groups=None, n_jobs=None):
    """AUC pooled over out-of-fold decisions, and as a mean over folds."""
    folds = list(cv.split(np.zeros(len(y)), y, groups))
    decisions = cross_val_predict(model, X, y, cv=folds, method="decision_function", n_jobs=n_jobs)
    by_fold = [roc_auc_score(y[test], decisions[test]) for _, test in folds]
    return {
        "pooled AUC": roc_auc_score(y, decisions),
        "mean over folds": np.mean(by_fold),
        "sd over folds": np.std(by_fold, ddof=1),
    }


def diagnosis(labels):
    """True for autism."""
    return (labels["diagnosis"] == "ASD").to_numpy()


def score_all(models, X, labels, cv, options):
    """Score methods on the same folds; site groups where `cv` heeds them. A row a method."""
    y, sites = diagnosis(labels), labels["site"].to_numpy()
    rows = []
    for name, features in models.items():
        start = time.perf_counter()
        scores = evaluate(pipeline(features, options.memory), X, y, cv, sites, options.n_jobs)
        print(f"{name}: {(time.perf_counter() - start) / 60:.1f} min", flush=True)
        folds = f"{cv.get_n_splits()} {'by site' if isinstance(cv, GroupKFold) else 'random'}"
        rows.append({"folds": folds, "features": name} | scores)
    return pd.DataFrame(rows)


def kept(embed, options):
    """A step for unions that keeps the encoder which another section has fitted on the fold."""
    return Pipeline([("embed", embed), ("keep", "passthrough")], memory=options.memory)


def run_pipeline(scans, labels, options, cv=None):
    """Diagnosis by `Pipeline` under cross-validation with site groups, beside FC."""
    models = {
        "FC": connectivity(),
        "FC^0.35": connectivity(0.35),
        "BrainSymphony": BrainSymphonyTransformer(**SMALL),
    }
    return score_all(models, scans, labels, cv or GroupKFold(7), options)


def run_random_folds(scans, labels, options):
    """The same where test sites are known from training."""
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    return run_pipeline(scans, labels, options, cv)


def run_union(scans, labels, options):
    """A `FeatureUnion` of embedding and FC, beside each alone."""
    embed = kept(BrainSymphonyTransformer(**SMALL), options)
    models = {
        "FC": connectivity(),
        "BrainSymphony": embed,
        "FeatureUnion of both": FeatureUnion([("embed", embed), ("fc", connectivity())]),
    }
    return score_all(models, scans, labels, GroupKFold(7), options)


def series_of(table):
    """The list of series in a table, as nilearn takes it."""
    return list(table["timeseries"])


def run_columns(scans, labels, options):
    """A `ColumnTransformer` that adds age to a table of scans."""
    series = pd.Series(scans, index=labels.index, dtype=object)
    table = pd.DataFrame({"timeseries": series, "age": labels["age"]})
    fc = Pipeline([("list", FunctionTransformer(series_of)), ("fc", connectivity())])
    embed = ("embed", kept(BrainSymphonyTransformer(**BRIEF), options), ["timeseries"])
    age = ("age", "passthrough", ["age"])
    models = {
        "age": ColumnTransformer([age]),
        "FC": ColumnTransformer([("fc", fc, ["timeseries"])]),
        "FC and age": ColumnTransformer([("fc", fc, ["timeseries"]), age]),
        "BrainSymphony": ColumnTransformer([embed]),
        "BrainSymphony and age": ColumnTransformer([embed, age]),
    }
    return score_all(models, table, labels, GroupKFold(3), options)


def run_grid(scans, labels, options):
    """`GridSearchCV` over readout, width and penalty; one pretraining for all penalties."""
    y, sites = diagnosis(labels), labels["site"].to_numpy()
    penalties = {"clf__C": [1e-3, 1e-1]}
    grid = {"embed__readout": ["mean", "connectivity"], "embed__dim": [16, 32]} | penalties
    tables = []
    for features, parameters in (
        (connectivity(), penalties),
        (BrainSymphonyTransformer(**BRIEF), grid),
    ):
        model = pipeline(features, options.memory)
        search = GridSearchCV(
            model, parameters, scoring="roc_auc", cv=GroupKFold(3), n_jobs=options.n_jobs,
            refit=False, verbose=3,
        )  # fmt: skip
        search.fit(scans, y, groups=sites)
        table = pd.DataFrame(search.cv_results_)
        best = model.set_params(**search.best_params_)
        pooled = evaluate(best, scans, y, GroupKFold(3), sites)["pooled AUC"]
        table["pooled AUC of the best"] = np.where(table["rank_test_score"] == 1, pooled, np.nan)
        table.insert(0, "features", "BrainSymphony" if "embed__dim" in parameters else "FC")
        tables.append(table)
    found = pd.concat(tables)
    columns = ["features", *(f"param_{name}" for name in grid)]
    columns += ["mean_test_score", "std_test_score", "pooled AUC of the best"]
    return found[columns].rename(columns=lambda name: name.removeprefix("param_")).fillna("")


def run_reconstruction(scans, labels, options):
    """Masked-ROI R² on held-out sites with half of the ROIs hidden, beside ridge."""
    held_out = labels["site"].isin(HELD_OUT_SITES).to_numpy()
    train = [scan for scan, out in zip(scans, held_out, strict=True) if not out]
    test = [scan for scan, out in zip(scans, held_out, strict=True) if out]
    rng = np.random.default_rng(0)
    masks = []
    for scan in test:
        mask = np.zeros(scan.shape[1], dtype=bool)
        usable = np.flatnonzero(np.ptp(scan, axis=0) > 0)
        mask[rng.choice(usable, len(usable) // 2, replace=False)] = True
        masks.append(mask)
    larger = SMALL | {"dim": 128, "mlp_dim": 256, "max_epochs": 5, "verbose": 1}
    larger["encoder"] = SMALL["encoder"] | {"perceiver_width": 128}
    model = BrainSymphonyTransformer(**larger).fit(train)
    permuted = [permute_visible(scan, mask, rng) for scan, mask in zip(test, masks, strict=True)]
    rows = {
        "mean of each target": 0.0,
        "BrainSymphony": model_r2(model, test, masks, test),
        "BrainSymphony, visible ROIs permuted in time": model_r2(model, permuted, masks, test),
        "ridge from the visible ROIs": ridge_r2(train, test, masks),
    }
    return pd.DataFrame({"prediction": rows.keys(), "R2": rows.values()})


def write(section, table):
    """Save the table of a section."""
    RESULTS.mkdir(exist_ok=True)
    body = table.to_markdown(index=False, floatfmt=".3f")
    text = f"<!-- python -m benchmarks.abide {section} -->\n{body}\n"
    (RESULTS / f"abide_{section}.md").write_text(text)


SECTIONS = {
    "reconstruction": run_reconstruction,
    "pipeline": run_pipeline,
    "random_folds": run_random_folds,
    "union": run_union,
    "columns": run_columns,
    "grid": run_grid,
}


def main():
    """Run the sections named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=list(SECTIONS), default=[])
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--n-jobs", type=int, default=None)
    parser.add_argument("--memory", help="folder that keeps fitted encoders; empty it after edits")
    options = parser.parse_args()
    scans, labels = load(options.data)
    with tempfile.TemporaryDirectory() as scratch:
        options.memory = options.memory or scratch
        for section in options.sections or SECTIONS:
            table = SECTIONS[section](scans, labels, options)
            write(section, table)
            print(f"\n{section}\n{table.to_string(index=False)}", flush=True)


if __name__ == "__main__":
    main()
