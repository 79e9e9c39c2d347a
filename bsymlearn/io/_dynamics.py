"""BOLD series of linear stochastic networks."""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve
from scipy.stats import gamma

TAU = 1.0  # time constant of a ROI without input, in seconds
STEP = 0.25  # longest Euler step in seconds
SPECTRAL_ABSCISSA = 0.8  # largest real part of the group's coupling after scaling; 1 is unstable
MAX_ABSCISSA = 0.95
NOISE = 0.5  # SD of the measurement noise in units of the signal's SD
SITE_GAINS, SITE_NOISE = (1.0, 0.85, 1.2), (1.0, 1.3, 0.8)
GLOBAL_SIGNAL, SPIKE = 0.6, 3.0  # in units of the signal's SD, per mm of motion and per spike
SPIKE_RATE = 0.06  # of time points, per mm of motion


def simulate_bold(
    coupling: np.ndarray,
    *,
    reference: np.ndarray,
    n_timepoints: int,
    t_r: float,
    site: np.ndarray,
    mean_fd: np.ndarray,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return series (n, n_timepoints, n_rois), float32, of couplings (n, n_rois, n_rois).

    [i, j] of a coupling is the influence of ROI j on ROI i; `reference` is the group's, which
    sets the common scale.
    """
    n_subjects, n_rois, _ = coupling.shape
    # One scale for all: a scale per subject would take out what age does to the total weight.
    coupling = coupling * (SPECTRAL_ABSCISSA / abscissa(reference))
    # The symmetric part bounds the abscissa, at a fraction of the cost for many ROIs.
    bounds = np.linalg.eigvalsh((coupling + coupling.swapaxes(1, 2)) / 2)[:, -1]
    coupling *= np.minimum(1.0, MAX_ABSCISSA / np.maximum(bounds, 1e-12))[:, None, None]

    steps_per_sample = int(np.ceil(t_r / STEP))
    step = t_r / steps_per_sample
    response = haemodynamic_response(step)
    warm_up = len(response) + int(np.ceil(10 * TAU / step))
    n_steps = warm_up + n_timepoints * steps_per_sample

    # (n, R, R): x(t + step) = x + step / tau * (C - I) x + noise
    update = (np.eye(n_rois) * (1 - step / TAU) + coupling * (step / TAU)).astype(np.float32)
    activity = np.zeros((n_subjects, n_rois, n_steps), dtype=np.float32)
    state = np.zeros((n_subjects, n_rois, 1), dtype=np.float32)
    noise_sd = np.float32(np.sqrt(step / TAU))
    for t in range(n_steps):
        noise = rng.standard_normal(state.shape).astype(np.float32)
        state = update @ state + noise_sd * noise
        activity[:, :, t] = state[:, :, 0]

    bold = fftconvolve(activity, response[None, None, :], axes=2)[:, :, warm_up:n_steps]
    bold = bold[:, :, ::steps_per_sample].swapaxes(1, 2)  # (n, T, R)
    bold /= bold.std(axis=(1, 2), keepdims=True)
    bold += NOISE * np.take(SITE_NOISE, site)[:, None, None] * rng.standard_normal(bold.shape)
    bold += _motion(mean_fd, n_timepoints, n_rois, rng)
    return (bold * np.take(SITE_GAINS, site)[:, None, None]).astype(np.float32)


def haemodynamic_response(step: float) -> np.ndarray:
    """Return the canonical double-gamma response of 32 s, sampled every `step` seconds."""
    times = np.arange(0, 32, step)
    response = gamma.pdf(times, 6) - gamma.pdf(times, 16) / 6
    return (response / response.sum()).astype(np.float32)


def abscissa(matrix: np.ndarray) -> float:
    """Return the largest real part of the eigenvalues of a matrix."""
    return float(np.linalg.eigvals(matrix).real.max())


def _motion(mean_fd: np.ndarray, n_timepoints: int, n_rois: int, rng) -> np.ndarray:
    """Return the global signal and the spikes that head motion leaves, (n, T, R)."""
    n_subjects = len(mean_fd)
    global_signal = rng.standard_normal((n_subjects, n_timepoints, 1)) * mean_fd[:, None, None]
    loads = rng.uniform(0.5, 1.5, (n_subjects, 1, n_rois))
    moved = rng.uniform(size=(n_subjects, n_timepoints, 1)) < SPIKE_RATE * mean_fd[:, None, None]
    spikes = moved * rng.standard_normal((n_subjects, n_timepoints, n_rois))
    return GLOBAL_SIGNAL * global_signal * loads + SPIKE * spikes
