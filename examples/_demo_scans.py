"""The demo's part without labels: masked ROIs and fingerprints of scans that were held out."""

from __future__ import annotations

import _demo_prediction as prediction
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from bsymlearn import BrainSymphonyTransformer
from bsymlearn.preprocessing import robust_scale

N_FOLDS = 3
RIDGE = 0.01  # of the mean variance of a ROI
MIN_HALF = 10  # time points


def examine(table: pd.DataFrame, settings, seed: int) -> tuple[pd.DataFrame, str]:
    """Score reconstruction and fingerprinting on participants that the encoder never saw."""
    if "timeseries" not in table:
        raise ValueError(
            "The derivatives hold connectomes alone and no labels, so there is nothing to score: a "
            "connectome has no halves. Add time series, or labels to participants.tsv."
        )
    people = pd.Series(pd.factorize(table.index.get_level_values(0))[0], index=table.index)
    n_folds = min(N_FOLDS, people.nunique() // 2)
    if n_folds < 2:
        raise ValueError(
            f"There are {people.nunique()} participants, but at least 4 are expected: some to "
            "train on, and two to tell apart. Add participants."
        )
    rng = np.random.default_rng(seed)
    errors, hits, chances = [], [], []
    for fold, (train, test) in enumerate(GroupKFold(n_folds).split(table, groups=people), start=1):
        held_out = table.iloc[test]
        held_out = held_out[held_out["timeseries"].notna()]
        # One scan each: two of one participant would compete for the same fingerprint.
        held_out = held_out[~held_out.index.get_level_values(0).duplicated()]
        encoder = BrainSymphonyTransformer(random_state=seed, **settings.encoder_on_scans).fit(
            table.iloc[train]
        )
        errors.append(reconstruct(encoder, table.iloc[train], held_out, rng))
        found, chance = fingerprint(encoder, held_out)
        hits.append(found)
        chances += [chance] * len(found)
        print(f"  fold {fold} of {n_folds}", flush=True)
    return summarise(pd.concat(errors), pd.concat(hits), float(np.mean(chances)), settings, seed)


def reconstruct(encoder, train: pd.DataFrame, held_out: pd.DataFrame, rng) -> pd.DataFrame:
    """Hide half of the ROIs of each scan; sums of squares of a row a scan."""
    scaled = [robust_scale(cell) for cell in held_out["timeseries"]]
    masks = np.zeros((len(scaled), scaled[0][0].shape[1]), dtype=bool)
    for mask, (_, usable) in zip(masks, scaled, strict=True):
        seen = rng.permutation(np.flatnonzero(usable))
        mask[seen[: len(seen) // 2]] = True
    # Without their connectomes: ridge regression has none either.
    series = held_out.assign(connectome=None) if "connectome" in held_out else held_out
    predicted = encoder.reconstruct(series, masks)["timeseries"]
    moments = sum(centre(cell).T @ centre(cell) for cell in train["timeseries"].dropna())
    rows = []
    for mask, (target, usable), guess in zip(masks, scaled, predicted, strict=True):
        target = target.astype(float)
        centred = target - target.mean(axis=0)
        by_ridge = centred[:, usable & ~mask] @ ridge_weights(moments, usable & ~mask, mask)
        rows.append(
            {
                "embedding": np.sum((guess - target)[:, mask] ** 2),
                "ridge": np.sum((by_ridge - centred[:, mask]) ** 2),
                "spread": np.sum(centred[:, mask] ** 2),
            }
        )
    return pd.DataFrame(rows)


def centre(cell: np.ndarray) -> np.ndarray:
    """Return the scaled series of a scan minus their means."""
    scaled = robust_scale(cell)[0].astype(float)
    return scaled - scaled.mean(axis=0)


def ridge_weights(moments: np.ndarray, seen: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Weights from seen to hidden ROIs, of ridge regression on the training scans."""
    among = moments[np.ix_(seen, seen)]
    among = among + RIDGE * np.mean(np.diag(moments)) * np.eye(len(among))
    return np.linalg.solve(among, moments[np.ix_(seen, hidden)])


def fingerprint(encoder, held_out: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Find the second half of each scan by its first half, and the reverse.

    The halves go in without connectomes, which are equal in both and would give them away.
    """
    long_enough = [len(cell) >= 2 * MIN_HALF for cell in held_out["timeseries"]]
    held_out = held_out[long_enough]
    if len(held_out) < 2:
        raise ValueError(
            f"{len(held_out)} held-out scans have {2 * MIN_HALF} time points or more, but two are "
            "expected to be told apart. Add longer scans."
        )
    halves = []
    for part in (0, 1):
        cells = pd.Series(index=held_out.index, dtype=object)
        for i, cell in enumerate(held_out["timeseries"]):
            cells.iat[i] = np.array_split(cell, 2)[part]
        halves.append(held_out.assign(timeseries=cells, connectome=None))
    if encoder.modality_ == "functional":
        halves = [half.drop(columns="connectome") for half in halves]
    fc = prediction.functional_connectivity()
    found = {
        "embedding": identified(*(encoder.transform(half) for half in halves)),
        "FC": identified(*(fc.fit_transform(half) for half in halves)),
    }
    return pd.DataFrame(found), 1 / len(held_out)


def identified(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Share of the two directions in which each scan's halves match best, by correlation."""
    n = len(first)
    similarity = np.corrcoef(first, second)[:n, n:]
    matches = [similarity.argmax(axis=axis) == np.arange(n) for axis in (0, 1)]
    return np.mean(matches, axis=0)


def summarise(errors, hits, chance: float, settings, seed: int) -> tuple[pd.DataFrame, str]:
    """Pool over participants, with bootstrap intervals."""
    rng = np.random.default_rng(seed)
    rows = []

    def add(question, method, values, pool, reference):
        draws = rng.integers(len(values), size=(settings.n_bootstraps, len(values)))
        low, high = np.percentile([pool(values[drawn]) for drawn in draws], [2.5, 97.5])
        rows.append(
            {
                "target": question, "method": method, "score": pool(values), "low": low,
                "high": high, "chance": reference,
            }
        )  # fmt: skip

    for method, name in (("BrainSymphony", "embedding"), ("ridge from visible ROIs", "ridge")):
        values = errors[[name, "spread"]].to_numpy()
        add("hidden ROIs (R²)", method, values, lambda v: 1 - v[:, 0].sum() / v[:, 1].sum(), 0.0)
    for method, name in (("BrainSymphony embedding", "embedding"), ("FC", "FC")):
        add("fingerprint (accuracy)", method, hits[name].to_numpy(), np.mean, chance)
    notes = (
        "Encoder and ridge regression saw none of these participants; 95 % intervals by bootstrap\n"
        "over participants. Hidden ROIs: half of each scan's, R² against their means over time.\n"
        "Fingerprint: each half of a scan looks for the other half among the scans of its fold."
    )
    return pd.DataFrame(rows).set_index(["target", "method"]), notes
