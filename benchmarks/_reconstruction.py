"""R² of hidden ROIs, by an encoder and by ridge regression."""

import numpy as np

from bsymlearn.preprocessing import robust_scale


def ridge_r2(train, test, masks):
    """R² of ridge from the visible ROIs, on the same masks; a fit for every mask."""
    train = [robust_scale(scan)[0].astype(np.float64) for scan in train]
    gram = sum(scan.T @ scan for scan in train)
    alpha = 0.01 * np.trace(gram) / len(gram)
    error = spread = 0.0
    for scan, mask in zip(test, masks, strict=True):
        scaled, usable = robust_scale(scan)
        visible, hidden = ~mask & usable, mask & usable
        inner = gram[np.ix_(visible, visible)] + alpha * np.eye(visible.sum())
        weights = np.linalg.solve(inner, gram[np.ix_(visible, hidden)])
        target = scaled[:, hidden].astype(np.float64)
        error += np.sum((scaled[:, visible] @ weights - target) ** 2)
        spread += np.sum((target - target.mean(axis=0)) ** 2)
    return 1 - error / spread


def model_r2(model, test, masks, targets):
    """R² of the encoder on given masks, against given targets (the scans, unless permuted)."""
    predicted = model.reconstruct(test, np.array(masks))
    error = spread = 0.0
    for scan, mask, guess in zip(targets, masks, predicted, strict=True):
        scaled, usable = robust_scale(scan)
        hidden = mask & usable
        target = scaled[:, hidden].astype(np.float64)
        error += np.sum((guess[:, hidden] - target) ** 2)
        spread += np.sum((target - target.mean(axis=0)) ** 2)
    return 1 - error / spread


def permute_visible(scan, mask, rng):
    """Permute each visible ROI in time by itself; hidden ones stay as targets."""
    permuted = scan.copy()
    permuted[:, ~mask] = rng.permuted(scan[:, ~mask], axis=0)
    return permuted
