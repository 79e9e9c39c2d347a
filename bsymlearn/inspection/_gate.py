"""How the gate weighs the two modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted


def gate_summary(estimator: Any, X: pd.DataFrame) -> pd.DataFrame:
    """Report the share of the functional branch in the fused embedding of each scan.

    Parameters
    ----------
    estimator : BrainSymphonyTransformer, BrainSymphonyClassifier or BrainSymphonyRegressor
        Fitted on both modalities.
    X : DataFrame
        Scans, with columns `timeseries` and `connectome`.

    Returns
    -------
    summary : DataFrame of shape (n_scans, 4)
        With the index of X: `has_timeseries`, `has_connectome` (bool), `functional_share`, the
        gate's mean over windows, ROIs and dimensions, and `sd_over_rois`, the standard deviation
        of the ROIs' means. The share is 1 where a scan has no connectome, 0 where it has no time
        series: then the embedding is that of the other modality.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If its encoder has no gate, or X is not what it takes.

    References
    ----------
    arXiv 2506.18314, section 3.3 (adaptive fusion gate).

    Examples
    --------
    >>> from bsymlearn import BrainSymphonyTransformer, make_cohort
    >>> from bsymlearn.inspection import gate_summary
    >>> table = make_cohort(
    ...     6, n_rois=8, n_timepoints=40, n_networks=2, missing=0.4, random_state=0
    ... )
    >>> embed = BrainSymphonyTransformer(
    ...     dim=8, n_layers=1, n_heads=2, mlp_dim=16, time_steps=20, max_epochs=1,
    ...     encoder={"structural_layers": 1}, random_state=0,
    ... )
    >>> summary = gate_summary(embed.fit(table), table)
    >>> summary["functional_share"][~summary["has_connectome"]].unique().tolist()
    [1.0]
    """
    check_is_fitted(estimator, "module_")
    if estimator.modality_ != "multimodal":
        raise ValueError(
            f"This {type(estimator).__name__} was fitted with modality={estimator.modality_!r}, "
            "but only an encoder of both modalities has a gate. Fit it on a table with time series "
            "and connectomes."
        )
    prepared = estimator._prepare(estimator._check_new_X(X))
    inference = estimator._inference()
    shares = np.zeros((len(prepared), estimator.n_rois_))
    n_windows = np.zeros(len(prepared))
    for part, batch in inference.windows(prepared):
        gate = inference.forward(batch).gate.mean(dim=2).cpu().numpy()  # (B, R)
        for (owner, _), share in zip(part, gate, strict=False):
            shares[owner] += share
            n_windows[owner] += 1
    shares /= n_windows[:, None]
    return pd.DataFrame(
        {
            "has_timeseries": [scan.timeseries is not None for scan in prepared],
            "has_connectome": [scan.connectome is not None for scan in prepared],
            "functional_share": shares.mean(axis=1),
            "sd_over_rois": shares.std(axis=1),
        },
        index=X.index,
    )
