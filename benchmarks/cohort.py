"""What was planted in simulated cohorts, predicted from each embedding and from plain features.

Run ``python -m benchmarks.cohort``; it writes ``benchmarks/results/cohort_missing_PERCENT.md``:
means over cohorts (seeds) of the pooled scores that `make demo` prints, with the sizes of
`make demo`, all subjects having both modalities, or a share of them lacking one (``--missing``).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bsymlearn import BrainSymphonyTransformer, make_cohort

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TARGETS = ["age", "sex"]


class BothOrders(BrainSymphonyTransformer):
    """Second- and first-order statistics of the latents that the gate has fused."""

    def transform(self, X):
        """Join the readouts "connectivity" and "flatten"."""
        return np.hstack([super().transform(X), self.embed_rois(X).reshape(len(X), -1)])


def score(seed, missing):
    """Scores of one cohort, a row for each target and method."""
    sys.path.insert(0, str(ROOT / "examples"))
    import _demo_prediction as prediction
    from demo import Settings

    settings = Settings(n_jobs=1, n_bootstraps=10)
    table = make_cohort(**settings.cohort, missing=missing, random_state=seed)
    gated = BothOrders("multimodal", spectral_power=0.35, random_state=seed, **settings.encoder)
    more = {"latents fused by the gate": [gated]}
    scores, _ = prediction.predict(table, TARGETS, settings, seed, more)
    return scores["score"].rename(seed)


def summarise(scores):
    """Mean over cohorts, its standard error, and how often the fused embedding is better."""
    wide = pd.concat(scores, axis=1)
    fused = wide.xs("fused embedding", level="method").reindex(wide.index, level="target")
    table = pd.DataFrame(
        {
            "mean": wide.mean(axis=1),
            "standard error": wide.sem(axis=1),
            "fused is better in": [
                "" if method == "fused embedding" else f"{better} of {wide.shape[1]}"
                for (_, method), better in (fused > wide).sum(axis=1).items()
            ],
        }
    )
    return table.reset_index()


def main():
    """Score cohorts side by side, and write their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-cohorts", type=int, default=4)
    parser.add_argument("--missing", type=float, default=0.0)
    parser.add_argument("--n-jobs", type=int, default=1)
    arguments = parser.parse_args()
    jobs = (delayed(score)(seed, arguments.missing) for seed in range(arguments.n_cohorts))
    text = summarise(Parallel(arguments.n_jobs)(jobs)).to_markdown(index=False, floatfmt=".3f")
    call = f"--n-cohorts {arguments.n_cohorts} --missing {arguments.missing}"
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"cohort_missing_{arguments.missing:.0%}.md".replace("%", "")
    target.write_text(f"<!-- python -m benchmarks.cohort {call} -->\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
