import numpy as np
import pytest

from bsymlearn.preprocessing import resample_timeseries

EDGE = 30  # seconds at either end, where the filter has no data to go by


def wave(frequency, t_r, duration=400.0, phase=0.3):
    return np.sin(2 * np.pi * frequency * np.arange(0, duration, t_r) + phase)[:, None]


@pytest.mark.parametrize(("t_r", "new_t_r"), [(0.72, 2.0), (2.0, 0.72), (0.8, 3.0), (2.5, 2.0)])
@pytest.mark.parametrize("frequency", [0.01, 0.05, 0.1])
def test_slow_waves_are_the_same_waves_on_other_time_points(t_r, new_t_r, frequency):
    resampled = resample_timeseries(wave(frequency, t_r), t_r, new_t_r)
    expected = wave(frequency, new_t_r)[: len(resampled)]
    inner = slice(int(EDGE / new_t_r), -int(EDGE / new_t_r))
    np.testing.assert_allclose(resampled[inner], expected[inner], atol=0.02)


@pytest.mark.parametrize("frequency", [0.3, 0.4, 0.6])
def test_waves_beyond_the_new_nyquist_frequency_are_taken_out(frequency):
    resampled = resample_timeseries(wave(frequency, 0.72), 0.72, 2.0)  # carries up to 0.25 Hz
    assert np.abs(resampled[15:-15]).max() < 0.03
    # Taking every so manieth point would keep all of the wave, as one of another frequency.
    assert np.abs(wave(frequency, 0.72)[::3]).max() > 0.9


@pytest.mark.parametrize(
    ("n_timepoints", "t_r", "new_t_r", "n_new"),
    [(101, 1.0, 2.0, 51), (100, 1.0, 2.0, 50), (1200, 0.72, 2.0, 432), (50, 2.0, 0.5, 197)],
)
def test_time_points_fit_between_the_first_and_the_last(n_timepoints, t_r, new_t_r, n_new):
    assert resample_timeseries(np.ones((n_timepoints, 2)), t_r, new_t_r).shape == (n_new, 2)


def test_the_same_repetition_time_changes_nothing():
    series = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.testing.assert_allclose(resample_timeseries(series, 2.0, 2.0), series, atol=1e-6)


def test_a_constant_stays_one():
    np.testing.assert_allclose(resample_timeseries(np.full((50, 1), 7.0), 0.72, 2.0), 7, rtol=1e-4)


def test_values_of_missing_points_do_not_come_through():
    series = wave(0.02, 1.0)
    series[100:104] = np.nan
    resampled = resample_timeseries(series, 1.0, 2.0)
    missing = np.isnan(resampled[:, 0])
    # New points at 100 and 102 s are missing themselves; no other has a missing neighbour.
    assert np.flatnonzero(missing).tolist() == [50, 51]
    near = slice(45, 57)
    expected = wave(0.02, 2.0)[near]
    np.testing.assert_allclose(resampled[near][~missing[near]], expected[~missing[near]], atol=0.05)


def test_new_points_beside_a_missing_one_are_missing():
    series = wave(0.02, 2.0)
    series[10] = np.nan
    resampled = resample_timeseries(series, 2.0, 1.0)
    assert np.flatnonzero(np.isnan(resampled[:, 0])).tolist() == [19, 20, 21]


def test_missing_rois_stay_missing_and_others_are_untouched():
    series = np.random.default_rng(0).normal(size=(60, 3))
    expected = resample_timeseries(series, 1.0, 1.5)
    series[:, 1] = np.nan
    resampled = resample_timeseries(series, 1.0, 1.5)
    assert np.isnan(resampled[:, 1]).all()
    np.testing.assert_array_equal(resampled[:, [0, 2]], expected[:, [0, 2]])


@pytest.mark.parametrize(
    ("n_timepoints", "t_r", "new_t_r"), [(5, 0.5, 3.0), (50, 0.0, 2.0), (50, 2.0, -1)]
)
def test_what_cannot_be_resampled(n_timepoints, t_r, new_t_r):
    with pytest.raises(ValueError, match="cannot be resampled"):
        resample_timeseries(np.ones((n_timepoints, 1)), t_r, new_t_r)
