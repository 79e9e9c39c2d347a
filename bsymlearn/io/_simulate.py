"""Simulated cohorts with known truth."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch, check_random_state

from ._dynamics import abscissa, simulate_bold

AGE_RANGE = (18.0, 75.0)  # years
AGE_SD = (AGE_RANGE[1] - AGE_RANGE[0]) / np.sqrt(12)
SITE_SCALES = (1.0, 0.96, 1.05)  # of the connectome

# Chosen so that neither modality is enough. Means over seeds 0-7 at n_subjects=200 and the default
# sizes (out of fold, 5 folds, StandardScaler and RidgeCV, sex as -1 and 1): age r .66 from
# Fisher-z FC, .61 from connectomes, .74 from both; sex AUC .77, .77, .83; permuted labels -.06
# and .51; k-means of the mean FC finds the networks. At n_subjects=100: .53, .52, .62 and .73,
# .71, .78. Single seeds vary by .05.
WITHIN, BETWEEN, NEGATIVE = 0.35, 0.12, 0.3  # mean weights, and the share of negative ones
DENSITY = 0.35  # of between-network edges
AGE_EFFECT, SEX_EFFECT = 0.055, 0.08  # connectome weight per SD of age, male minus female
INDIVIDUAL, MEASUREMENT, COUPLING = 0.06, 0.22, 0.05  # SD over subjects: shared, tract., function
EFFICACY = 0.53  # change of the scaled coupling per change of the tracts
MAX_EFFICACY = 4.0  # before scaling
DRIVE = 0.35  # coupling of a directed drive
MAX_EDGES = 40  # for each target
BLOCK_ENTRIES = 400_000  # of connectomes that are simulated at once, which bounds the memory


def make_cohort(
    n_subjects: int = 100,
    n_rois: int = 60,
    n_timepoints: int = 200,
    *,
    n_networks: int = 7,
    t_r: float = 2.0,
    missing: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
    return_truth: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, Bunch]:
    """Simulate a multimodal cohort.

    Every subject has a modular signed coupling between ROIs. Age and sex change the weights of
    known edges of it. The connectome is a noisy measurement of its symmetric part; the series
    come from a linear stochastic model driven through it, ``tau dx/dt = (C - I) x + noise``,
    convolved with the canonical haemodynamic response and sampled every `t_r` seconds. Some
    ordered pairs of ROIs are coupled in one direction only, which the connectome cannot show.
    As both modalities have noise of their own, they complement each other.

    Parameters
    ----------
    n_subjects : int, default=100
        Number of subjects, at least 2.
    n_rois : int, default=60
        Number of ROIs, at least 4.
    n_timepoints : int, default=200
        Number of sampled time points, at least 2.
    n_networks : int, default=7
        Number of networks, of at least two ROIs each; networks are contiguous.
    t_r : float, default=2.0
        Repetition time in seconds.
    missing : float, default=0.0
        Fraction of subjects that lack one modality, each equally often; never both.
    random_state : int, RandomState or None, default=None
        An int gives the same table at every call.
    return_truth : bool, default=False
        Return what was planted, too.

    Returns
    -------
    table : DataFrame of shape (n_subjects, 6)
        Indexed by ``participant_id``. Columns ``timeseries`` (cells of shape
        (n_timepoints, n_rois), float32), ``connectome`` ((n_rois, n_rois), float32, symmetric,
        signed, zero diagonal), ``age`` (years), ``sex`` ("F" or "M"), ``site`` (3 scanners that
        differ in gain, noise and connectome scale) and ``mean_fd`` (head motion in mm, which adds
        a global signal and spikes). Age, sex, site and motion are independent of each other.
    truth : Bunch
        Only with ``return_truth=True``: ``networks`` (n_rois,) int, ``directed_edges``
        (n_rois, n_rois) bool, [i, j] True where ROI j drives ROI i and not the reverse, and
        ``effects``, a DataFrame of ``target`` ("age", "sex"), ``roi_i``, ``roi_j`` and
        ``effect`` (change in the connectome's weight per standard deviation of age, or of men
        against women; the coupling of the series changes in proportion).

    Raises
    ------
    TypeError
        If a size is no integer.
    ValueError
        If an argument is out of its range.

    See Also
    --------
    read_cohort : the same table from files.

    References
    ----------
    .. [1] Galán RF (2008). On how network architecture determines the dominant patterns of
       spontaneous neural activity. PLoS ONE 3(5): e2148. (The linear model.)

    Examples
    --------
    >>> from bsymlearn import make_cohort
    >>> table, truth = make_cohort(
    ...     4, n_rois=6, n_timepoints=30, n_networks=2, random_state=0, return_truth=True
    ... )
    >>> table.index.tolist()
    ['sub-001', 'sub-002', 'sub-003', 'sub-004']
    >>> table["timeseries"].iloc[0].shape, table["connectome"].iloc[0].shape
    ((30, 6), (6, 6))
    >>> truth.networks.tolist()
    [0, 0, 0, 1, 1, 1]
    """
    _check_arguments(n_subjects, n_rois, n_timepoints, n_networks, t_r, missing)
    rng = check_random_state(random_state)
    networks = np.arange(n_rois) * n_networks // n_rois
    weights, support = _group_connectome(networks, rng)
    directed, effects = _plant(support, rng)

    age = np.round(rng.uniform(*AGE_RANGE, n_subjects), 1)
    # Balanced, so that small cohorts have both sexes and every site.
    sex = rng.permutation(np.resize(["F", "M"], n_subjects))
    site = rng.permutation(np.resize([0, 1, 2], n_subjects))
    mean_fd = np.round(rng.lognormal(np.log(0.15), 0.45, n_subjects), 3)
    exposure = np.stack([(age - np.mean(AGE_RANGE)) / AGE_SD, (sex == "M") - 0.5], axis=1)

    rows, columns = np.nonzero(np.triu(support, 1))
    position = {pair: k for k, pair in enumerate(zip(rows, columns, strict=True))}
    slopes = np.zeros((2, len(rows)))
    for target, i, j, effect in effects.itertuples(index=False):
        slopes[int(target == "sex"), position[i, j]] = effect
    reference = _drive(weights[None], directed)[0]
    # Scaling divides the coupling by its abscissa, which grows with the size of the networks;
    # without this factor effects would vanish from the series of many ROIs.
    efficacy = min(EFFICACY * abscissa(reference), MAX_EFFICACY)
    timeseries: list[np.ndarray] = []
    connectomes: list[np.ndarray] = []
    block = max(1, BLOCK_ENTRIES // n_rois**2)
    for start in range(0, n_subjects, block):
        part = slice(start, start + block)
        tracts = weights[rows, columns] + exposure[part] @ slopes
        tracts += INDIVIDUAL * rng.standard_normal(tracts.shape)
        measured = tracts + MEASUREMENT * rng.standard_normal(tracts.shape)
        measured *= np.take(SITE_SCALES, site[part])[:, None]
        coupling = tracts + (efficacy - 1) * exposure[part] @ slopes
        coupling += COUPLING * rng.standard_normal(tracts.shape)
        connectomes.extend(_symmetric(measured, rows, columns, n_rois).astype(np.float32))
        timeseries.extend(
            simulate_bold(
                _drive(_symmetric(coupling, rows, columns, n_rois), directed),
                reference=reference,
                n_timepoints=n_timepoints,
                t_r=t_r,
                site=site[part],
                mean_fd=mean_fd[part],
                rng=rng,
            )
        )

    width = max(3, len(str(n_subjects)))
    labels = [f"sub-{number:0{width}d}" for number in range(1, n_subjects + 1)]
    table = pd.DataFrame(index=pd.Index(labels, name="participant_id"))
    table["timeseries"] = _cells(timeseries, table.index)
    table["connectome"] = _cells(connectomes, table.index)
    table["age"], table["sex"] = age, sex
    table["site"] = [f"site-{letter}" for letter in np.take(["A", "B", "C"], site)]
    table["mean_fd"] = mean_fd
    lacking = rng.permutation(n_subjects)[: round(missing * n_subjects)]
    for number, subject in enumerate(lacking):
        table.iat[subject, number % 2] = None
    if not return_truth:
        return table
    return table, Bunch(networks=networks, directed_edges=directed, effects=effects)


def _check_arguments(n_subjects, n_rois, n_timepoints, n_networks, t_r, missing) -> None:
    """Raise on arguments out of range."""
    sizes = {"n_subjects": 2, "n_rois": 4, "n_timepoints": 2, "n_networks": 1}
    given = dict(zip(sizes, (n_subjects, n_rois, n_timepoints, n_networks), strict=True))
    for name, least in sizes.items():
        if not isinstance(given[name], Integral) or isinstance(given[name], bool):
            raise TypeError(
                f"{name}={given[name]!r}, but an integer of {least} or more is expected."
            )
        if given[name] < least:
            raise ValueError(f"{name}={given[name]}, but {least} or more are expected. Raise it.")
    if 2 * n_networks > n_rois:
        raise ValueError(
            f"n_networks={n_networks} for n_rois={n_rois}, but a network has at least two ROIs. "
            f"Use at most {n_rois // 2} networks, or more ROIs."
        )
    if not isinstance(t_r, Real) or not 0.05 <= float(t_r) <= 20:
        raise ValueError(f"t_r={t_r!r}, but seconds between 0.05 and 20 are expected.")
    if not isinstance(missing, Real) or not 0 <= float(missing) <= 1:
        raise ValueError(f"missing={missing!r}, but a fraction between 0 and 1 is expected.")


def _group_connectome(networks: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return the modular connectome that all subjects share, and where it has edges."""
    n_rois = len(networks)
    within = networks[:, None] == networks
    weights = np.where(within, WITHIN, BETWEEN) * rng.uniform(0.5, 1.5, (n_rois, n_rois))
    weights *= np.where(~within & (rng.uniform(size=within.shape) < NEGATIVE), -1, 1)
    support = np.triu(within | (rng.uniform(size=within.shape) < DENSITY), 1)
    weights = np.where(support, weights, 0.0)
    return weights + weights.T, support | support.T


def _plant(support: np.ndarray, rng) -> tuple[np.ndarray, pd.DataFrame]:
    """Choose directed pairs and the edges that age and sex change, all of them distinct."""
    n_rois = len(support)
    pairs = rng.permutation(np.argwhere(np.triu(support, 1)))
    n_directed = int(np.clip(n_rois // 5, 1, 12))
    n_edges = int(np.clip((len(pairs) - n_directed) // 8, 1, MAX_EDGES))
    directed = np.zeros(support.shape, dtype=bool)
    for pair in pairs[:n_directed]:
        i, j = rng.permutation(pair)
        directed[i, j] = True
    # Fewer edges carry more each, so that small cohorts show the effects as well.
    gain = min(np.sqrt(MAX_EDGES / n_edges), 2.5)
    rows = []
    for k, (target, size) in enumerate((("age", AGE_EFFECT), ("sex", SEX_EFFECT))):
        chosen = pairs[n_directed + k * n_edges : n_directed + (k + 1) * n_edges]
        for (i, j), sign in zip(chosen, rng.choice([-1, 1], len(chosen)), strict=True):
            rows.append((target, int(i), int(j), sign * gain * size * rng.uniform(0.7, 1.3)))
    return directed, pd.DataFrame(rows, columns=["target", "roi_i", "roi_j", "effect"])


def _symmetric(edges: np.ndarray, rows, columns, n_rois: int) -> np.ndarray:
    """Return (n, n_rois, n_rois) matrices from (n, n_edges) weights."""
    matrices = np.zeros((len(edges), n_rois, n_rois))
    matrices[:, rows, columns] = edges
    matrices[:, columns, rows] = edges
    return matrices


def _drive(coupling: np.ndarray, directed: np.ndarray) -> np.ndarray:
    """Make the directed pairs of (n, n_rois, n_rois) couplings one-way."""
    coupling = np.where(directed, coupling + DRIVE, coupling)
    return np.where(directed.T, 0.0, coupling)


def _cells(arrays: list[np.ndarray], index: pd.Index) -> pd.Series:
    """Return a column with an array in each cell."""
    cells = pd.Series(index=index, dtype=object)
    for i, array in enumerate(arrays):
        cells.iat[i] = array
    return cells
