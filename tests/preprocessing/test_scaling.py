import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler

from bsymlearn.preprocessing import robust_scale


@pytest.fixture
def series():
    return np.random.default_rng(0).normal(3, [1, 10, 0.01, 5], size=(60, 4))


def test_is_scikit_learns_robust_scaler_of_each_scan(series):
    scaled, usable = robust_scale(series)
    np.testing.assert_allclose(scaled, RobustScaler().fit_transform(series), rtol=1e-5, atol=1e-5)
    assert scaled.dtype == np.float32 and usable.all()


def test_gain_and_offset_of_a_roi_do_not_matter(series):
    np.testing.assert_allclose(
        robust_scale(series * [2, 3, 4, 5] + 100)[0], robust_scale(series)[0], atol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6 / 3])
def test_constant_roi_is_zero_and_unusable(series, value):
    series[:, 2] = np.float32(value)
    scaled, usable = robust_scale(series)
    assert usable.tolist() == [True, True, False, True]
    assert not scaled[:, 2].any()


def test_spiky_series_falls_back_on_its_sd():
    series = np.zeros((20, 1))
    series[3] = 5.0
    scaled, usable = robust_scale(series)
    assert usable.all() and np.isfinite(scaled).all()
    assert scaled[3, 0] == pytest.approx(5 / series.std())


def test_missing_entries_count_in_nothing_and_stay(series):
    whole = series.copy()
    series[7] = np.nan  # a censored volume
    series[3, 1] = np.nan
    series[:, 2] = np.nan
    scaled, usable = robust_scale(series)
    assert usable.tolist() == [True, True, False, True]
    kept = np.arange(60) != 7
    np.testing.assert_allclose(
        scaled[kept, 0], RobustScaler().fit_transform(whole[kept, :1])[:, 0], rtol=1e-5, atol=1e-5
    )
    assert np.isnan(scaled[~kept][:, [0, 1, 3]]).all() and np.isnan(scaled[3, 1])
    assert np.isfinite(scaled[kept][:, [0, 3]]).all()
