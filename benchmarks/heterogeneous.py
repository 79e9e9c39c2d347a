"""Censored volumes and other repetition times, on real scans.

Run ``python -m benchmarks.heterogeneous --data ../shared/data``; it writes
``benchmarks/results/heterogeneous.md``. An encoder is pretrained on 14 of the 21 `hcp21` scans (the
first 400 volumes, 0.72 s apart) and meets the other 7 spoilt: a fifth of the volumes carry spikes,
or only every second or third volume was taken. Columns: how well the embedding correlates with
that of the unspoilt scan (the mean over scans is subtracted in the readout), how often the unspoilt
scan is found by it among the seven, and R² of hidden ROIs at the volumes that are kept.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.abide import SMALL
from bsymlearn import BrainSymphonyTransformer, read_cohort
from bsymlearn.preprocessing import robust_scale

RESULTS = Path(__file__).parent / "results"
N_VOLUMES, T_R, N_TEST = 400, 0.72, 7
LONGER = SMALL | {"max_epochs": 15}


def spiked(scan, rng):
    """Add spikes to a fifth of the volumes; gives the scan and the volumes that are kept."""
    kept = np.ones(len(scan), dtype=bool)
    while kept.mean() > 0.8:
        start = rng.integers(len(scan))
        kept[start : start + rng.integers(1, 4)] = False
    spikes = 5 * rng.normal(size=(len(scan), 1)) + 2 * rng.normal(size=scan.shape)
    return np.where(kept[:, None], scan, scan + spikes * scan.std(axis=0)), kept


def table_of(scans, **columns):
    """Make a table of scans and what is known about each."""
    cells = {"timeseries": scans} | columns
    return pd.DataFrame({name: pd.Series(list(c), dtype=object) for name, c in cells.items()})


def conditions(clean, rng):
    """Each way to hand over the test scans, and which of their volumes are to be predicted."""
    spoilt, kept = zip(*(spiked(scan, rng) for scan in clean), strict=True)
    times = [T_R] * len(clean)
    everything = [np.ones(len(scan), dtype=bool) for scan in clean]

    def filled(scan, k):
        return np.where(k[:, None], scan, np.median(scan[k], axis=0))

    pairs = list(zip(spoilt, kept, strict=True))
    cut = [scan[k] for scan, k in pairs]
    yield "unspoilt", table_of(clean, t_r=times), everything, clean
    yield "spikes, untreated", table_of(spoilt, t_r=times), kept, clean
    yield (
        "spikes, filled with the median",
        table_of([filled(*p) for p in pairs], t_r=times),
        kept,
        clean,
    )
    kept_of_cut = [np.ones(len(scan), dtype=bool) for scan in cut]
    clean_cut = [scan[k] for scan, k in zip(clean, kept, strict=True)]
    yield "spikes, cut out", table_of(cut, t_r=times), kept_of_cut, clean_cut
    yield "spikes, masked", table_of(spoilt, t_r=times, sample_mask=kept), kept, clean
    for step in (2, 3):
        slow = [scan[::step] for scan in clean]
        all_of_slow = [np.ones(len(scan), dtype=bool) for scan in slow]
        name = f"every {T_R * step:.2f} s"
        yield f"{name}, as it is", table_of(slow, t_r=times), all_of_slow, slow
        known = table_of(slow, t_r=[T_R * step] * len(slow))
        yield f"{name}, resampled", known, all_of_slow, slow


def score(model, table, kept, targets, mask, reference):
    """Compare with the embedding of unspoilt scans; score hidden ROIs."""
    embedded = model.transform(table)
    similarity = np.corrcoef(embedded, reference)[: len(embedded), len(embedded) :]
    error = spread = 0.0
    predicted = model.reconstruct(table, mask)["timeseries"]
    for guess, target, k in zip(predicted, targets, kept, strict=True):
        scaled = robust_scale(target)[0].astype(np.float64)
        error += np.sum((guess - scaled)[k][:, mask] ** 2)
        spread += np.sum((scaled - scaled.mean(axis=0))[k][:, mask] ** 2)
    return {
        "correlation with unspoilt": similarity.diagonal().mean(),
        "found": np.mean(similarity.argmax(axis=1) == np.arange(len(embedded))),
        "R2 of hidden ROIs": 1 - error / spread,
    }


def main():
    """Pretrain once, then score each condition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="../shared/data")
    folder = Path(parser.parse_args().data) / "hcp21_derivatives"
    scans = [s[:N_VOLUMES] for s in read_cohort(folder, load=True)["timeseries"]]
    train, test = scans[:-N_TEST], scans[-N_TEST:]
    model = BrainSymphonyTransformer(**LONGER).fit(table_of(train, t_r=[T_R] * len(train)))
    rng = np.random.default_rng(0)
    mask = rng.permutation(test[0].shape[1]) < test[0].shape[1] // 2
    reference = model.transform(table_of(test, t_r=[T_R] * len(test)))
    rows = [
        {"scans": name} | score(model, *condition, mask, reference)
        for name, *condition in conditions(test, rng)
    ]
    text = pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "heterogeneous.md").write_text(
        f"<!-- python -m benchmarks.heterogeneous -->\n{text}\n"
    )
    print(text)


if __name__ == "__main__":
    main()
