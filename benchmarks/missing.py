"""What embeddings are worth when subjects lack a modality.

Run ``python -m benchmarks.missing``; it writes ``benchmarks/results/missing.md``. In simulated
cohorts a share of the subjects lacks its series or its connectome. One encoder is pretrained on
110 of 160 subjects, and read out in each way; ridge and logistic regression on the embedding of
the same 110 predict the other 50. "Aligned" is what the estimators do: latents of who lacks a
modality are shifted to where fused ones lie. "As they are" is the gate's rule alone. An embedding
that does not tell who lacks a modality has an AUC of .5 there.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bsymlearn import BrainSymphonyTransformer, make_cohort

RESULTS = Path(__file__).parent / "results"
N_SUBJECTS, N_TRAIN = 160, 110
COLUMNS = [
    "age r",
    "age r of who has both",
    "age r of who has one",
    "sex AUC",
    "AUC of who lacks one",
]
SMALL = {
    "recipe": "staged",
    "dim": 32,
    "n_layers": 1,
    "n_heads": 4,
    "mlp_dim": 64,
    "time_steps": 50,
    "max_epochs": 5,
    "lr": 5e-3,
    "encoder": {"structural_layers": 1, "perceiver_width": 32, "n_latent_blocks": 1},
}


class AsTheyAre(BrainSymphonyTransformer):
    """Without the shift of latents of who lacks a modality."""

    def fit(self, X, y=None):
        """Fit, then center on the mean of all scans, whatever they lack."""
        super().fit(X, y)
        self.readout_.shift = None
        self.readout_.mean_latent.copy_(self._torch(self.embed_rois(X).mean(axis=0)))
        return self

    def _torch(self, array):
        return self.readout_.mean_latent.new_tensor(array)


def score(embedded, table, train):
    """Scores of one embedding; `embedded` is (n_subjects, n_outputs)."""
    lacks = table[["timeseries", "connectome"]].isna().any(axis=1).to_numpy()
    test = ~train
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
    age = ridge.fit(embedded[train], table["age"][train]).predict(embedded)
    found = {"age r": np.corrcoef(age[test], table["age"][test])[0, 1]}
    for name, rows in (("both", test & ~lacks), ("one", test & lacks)):
        if not rows.any():
            continue
        found[f"age r of who has {name}"] = np.corrcoef(age[rows], table["age"][rows])[0, 1]
    for name, y in (("sex AUC", table["sex"] == "M"), ("AUC of who lacks one", lacks)):
        y = np.asarray(y)
        if not y.any():
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3))
        decision = model.fit(embedded[train], y[train]).decision_function(embedded[test])
        found[name] = roc_auc_score(y[test], decision)
    return found


def run(seed, missing):
    """Scores of one cohort, a row for each readout."""
    table = make_cohort(N_SUBJECTS, n_rois=30, n_timepoints=120, missing=missing, random_state=seed)
    train = np.arange(N_SUBJECTS) < N_TRAIN
    encoder = BrainSymphonyTransformer(random_state=seed, **SMALL).fit(table[train]).module_
    rows = []
    for readout in ("moments", "connectivity", "flatten", "mean"):
        for rule, cls in (("aligned", BrainSymphonyTransformer), ("as they are", AsTheyAre)):
            if (readout == "moments" or missing == 0) and cls is AsTheyAre:
                continue  # moments put in the training mean of a missing modality instead
            options = {"readout": readout, "spectral_power": 0.35, "max_epochs": 0}
            model = cls(pretrained=encoder, random_state=seed, **options).fit(table[train])
            rule_of = "training mean" if readout == "moments" else rule
            rule_of = rule_of if missing else "nobody lacks any"
            scores = score(model.transform(table), table, train)
            rows.append({"missing": missing, "readout": readout, "rule": rule_of} | scores)
    return pd.DataFrame(rows)


def main():
    """Average over cohorts, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-cohorts", type=int, default=6)
    n_cohorts = parser.parse_args().n_cohorts
    found = []
    for seed in range(n_cohorts):
        found += [run(seed, missing) for missing in (0.0, 0.2, 0.5)]
        print(f"cohort {seed + 1} of {n_cohorts}", flush=True)
    keys = ["missing", "readout", "rule"]
    table = pd.concat(found).groupby(keys, sort=False)[COLUMNS].mean()
    table = table.sort_values("missing", kind="stable").reset_index().astype(object)
    table = table.where(table.notna(), None)
    text = table.to_markdown(index=False, floatfmt=(".1f", "", "", *[".3f"] * 5), missingval="")
    RESULTS.mkdir(exist_ok=True)
    call = f"python -m benchmarks.missing --n-cohorts {n_cohorts}"
    (RESULTS / "missing.md").write_text(f"<!-- {call} -->\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
