"""An encoder pretrained on one parcellation of ABIDE I, moved to a second one.

Run ``python -m benchmarks.atlas --data ../shared/data``; it writes
``benchmarks/results/atlas.md``. The second parcellation is simulated, so that its overlap with
the first is known: the 200 ROIs lie on a line in the order of a clustering of the connectivity of
the training scans, and the line is cut into 150 pieces of unequal length. A piece is a mixture of
up to three ROIs, and most ROIs are shared between two pieces. Test sites are held out from
everything.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from benchmarks._reconstruction import model_r2, ridge_r2
from benchmarks.abide import HELD_OUT_SITES, SMALL, load
from bsymlearn import BrainSymphonyTransformer, adapt_parcellation

RESULTS = Path(__file__).parent / "results"
# Twice the steps of SMALL in an epoch, and two of the three epochs: the script stays short.
SIZES = SMALL | {"batch_size": 8, "max_epochs": 2}
N_NEW = 150
N_GRADIENTS = 10


def group_connectivity(scans):
    """Mean correlation matrix; of a pair, over the scans in which both ROIs vary."""
    total = count = 0
    for scan in scans:
        centred = scan - scan.mean(axis=0, dtype=np.float64)
        length = np.linalg.norm(centred, axis=0)
        centred = centred / np.where(length > 0, length, 1.0)
        total = total + centred.T @ centred
        count = count + np.outer(length > 0, length > 0)
    return total / np.maximum(count, 1)


def simulate_overlap(connectivity, rng):
    """Overlap (150, 200) of pieces of a line with the ROIs that lie on it, each of length 1."""
    distance = np.clip(1 - connectivity, 0, None)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    lengths = rng.uniform(0.6, 2.0, N_NEW)
    cuts = np.append(0, lengths.cumsum()) * len(distance) / lengths.sum()
    overlap = np.empty((N_NEW, len(distance)))
    for place, roi in enumerate(leaves_list(tree)):
        common = np.minimum(cuts[1:], place + 1) - np.maximum(cuts[:-1], place)
        overlap[:, roi] = np.clip(common, 0, None)
    return overlap


def shares_of(overlap):
    """Rows that sum to 1."""
    return overlap / overlap.sum(axis=1, keepdims=True)


def rescale(original, adapted, overlap, connectivity):
    """Bring what stands in for the series of an old ROI back to unit variance.

    An average of correlated series varies less than each of them. Its variance follows from the
    connectivity in the second parcellation, which a user may not have.
    """
    into_old = shares_of(overlap.T)
    spread = np.einsum("ij,jk,ik->i", into_old, connectivity, into_old) ** 0.5
    scaled = torch.from_numpy(into_old / spread[:, None]).float()
    module = copy.deepcopy(adapted)
    weight = original.module_.temporal.embedding.weight.detach() @ scaled
    module.temporal.embedding.weight.data = weight
    return module


def hide_half(scans, rng):
    """Hide half of the ROIs that vary, in each scan."""
    masks = []
    for scan in scans:
        mask = np.zeros(scan.shape[1], dtype=bool)
        usable = np.flatnonzero(np.ptp(scan, axis=0) > 0)
        mask[rng.choice(usable, len(usable) // 2, replace=False)] = True
        masks.append(mask)
    return masks


def measure(old, new, overlap, gradients, rng):
    """R² of hidden ROIs by every route, a row each; `old` and `new` are (train, test, masks)."""
    shares = shares_of(overlap)
    of_old = {"gradients": gradients} if gradients is not None else {}
    of_new = {"gradients": shares @ gradients} if gradients is not None else {}

    def score(name, cohort, **parameters):
        start = time.perf_counter()
        train, test, masks = cohort
        model = BrainSymphonyTransformer(**(SIZES | parameters)).fit(train)
        r2 = model_r2(model, test, masks, test)
        print(f"{name}: {r2:.3f}, {(time.perf_counter() - start) / 60:.1f} min", flush=True)
        rows.append({"prediction": name, "R2": r2})
        return model

    rows = []
    original = score("first parcellation: encoder", old, **of_old)
    adapted = adapt_parcellation(original, overlap)
    wrong = adapt_parcellation(original, rng.permutation(overlap))
    # With max_epochs=0 the scans only give the readout its means; two are enough.
    loaded = of_new | {"max_epochs": 0}
    few = (new[0][:2], *new[1:])
    score("second: the same encoder, adapted", few, pretrained=adapted, **loaded)
    scaled = rescale(original, adapted, overlap, group_connectivity(new[0]))
    score("second: adapted, averaged series rescaled", few, pretrained=scaled, **loaded)
    score("second: adapted by a wrong overlap", few, pretrained=wrong, **loaded)
    # The estimators' own recipe and learning rate: what is adapted needs no staged start.
    longer = of_new | {"max_epochs": 1, "recipe": "joint", "lr": 1e-3}
    score("second: adapted, and one more epoch", new, pretrained=adapted, **longer)
    score("second: encoder of its own", new, **of_new)
    return pd.DataFrame(rows)


def main():
    """Simulate the second parcellation, measure with both kinds of positions, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="../shared/data")
    scans, labels = load(parser.parse_args().data)
    held_out = labels["site"].isin(HELD_OUT_SITES).to_numpy()
    train = [scan for scan, out in zip(scans, held_out, strict=True) if not out]
    test = [scan for scan, out in zip(scans, held_out, strict=True) if out]
    rng = np.random.default_rng(0)
    connectivity = group_connectivity(train)
    overlap = simulate_overlap(connectivity, rng)
    shares = shares_of(overlap)
    old = (train, test, hide_half(test, rng))
    mixed = [[scan @ shares.T for scan in part] for part in (train, test)]
    new = (*mixed, hide_half(mixed[1], rng))
    # Unit variance over ROIs, as the gradients of a toolbox have about.
    vectors = np.linalg.eigh(connectivity)[1][:, : -N_GRADIENTS - 1 : -1]
    gradients = vectors * len(vectors) ** 0.5
    tables = {
        "learnable": measure(old, new, overlap, None, rng),
        "gradient": measure(old, new, overlap, gradients, rng),
    }
    rows = [
        {"prediction": "first parcellation: ridge from the visible ROIs", "R2": ridge_r2(*old)},
        {"prediction": "second: ridge from the visible ROIs", "R2": ridge_r2(*new)},
    ]
    table = pd.concat(tables | {"none": pd.DataFrame(rows)}, names=["positions", None])
    table = table.reset_index("positions")
    body = table.to_markdown(index=False, floatfmt=".3f")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "atlas.md").write_text(f"<!-- python -m benchmarks.atlas -->\n{body}\n")
    print(body)


if __name__ == "__main__":
    main()
