import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from bsymlearn.io._dynamics import haemodynamic_response, simulate_bold


def run(coupling, n_timepoints=200, mean_fd=0.0, site=0, t_r=2.0, seed=0):
    n = len(coupling)
    return simulate_bold(
        coupling,
        reference=coupling[0],
        n_timepoints=n_timepoints,
        t_r=t_r,
        site=np.full(n, site),
        mean_fd=np.full(n, mean_fd),
        rng=np.random.RandomState(seed),
    )


def test_response_peaks_after_five_seconds():
    response = haemodynamic_response(0.1)
    assert abs(np.argmax(response) * 0.1 - 5.0) < 0.2
    assert np.isclose(response.sum(), 1.0, atol=1e-5)
    assert response.min() < 0


def test_covariance_is_that_of_the_linear_model(monkeypatch):
    # For symmetric coupling the correlations of x solve the Lyapunov equation of (C - I).
    monkeypatch.setattr("bsymlearn.io._dynamics.NOISE", 0.0)
    coupling = np.zeros((1, 4, 4))
    coupling[0, [0, 1, 2, 3], [1, 0, 3, 2]] = [1.0, 1.0, 0.5, 0.5]
    series = run(coupling, n_timepoints=6000)[0]
    covariance = solve_continuous_lyapunov(0.8 * coupling[0] - np.eye(4), -np.eye(4))
    scale = np.sqrt(np.diag(covariance))
    expected = covariance / np.outer(scale, scale)
    found = np.corrcoef(series.T)
    # The haemodynamic response favours slow modes, so that coupled pairs come out stronger.
    assert np.all(np.abs(found[:2, 2:]) < 0.1)
    assert found[0, 1] > expected[0, 1] > found[2, 3] > 0.3


def test_unstable_couplings_stay_bounded():
    coupling = np.stack([np.ones((5, 5)) - np.eye(5), 20 * (np.ones((5, 5)) - np.eye(5))])
    series = run(coupling)
    assert series.shape == (2, 200, 5) and series.dtype == np.float32
    assert np.abs(series).max() < 50


def test_motion_raises_the_global_signal():
    coupling = np.repeat((np.ones((4, 4)) - np.eye(4))[None] * 0.1, 10, axis=0)
    still, moving = run(coupling), run(coupling, mean_fd=1.5)
    assert moving.mean(axis=2).std() > 1.2 * still.mean(axis=2).std()


def test_sites_differ_in_gain():
    coupling = np.repeat((np.ones((4, 4)) - np.eye(4))[None] * 0.1, 10, axis=0)
    assert run(coupling, site=2).std() > 1.2 * run(coupling, site=1).std()
