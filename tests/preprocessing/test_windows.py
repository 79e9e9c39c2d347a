from itertools import pairwise

import numpy as np
import pytest

from bsymlearn.preprocessing import window_starts


@pytest.mark.parametrize("time_steps", [1, 2, 7, 20])
@pytest.mark.parametrize("n_timepoints", [1, 6, 19, 20, 21, 45, 100])
def test_windows_cover_the_scan_and_half_overlap(n_timepoints, time_steps):
    starts = window_starts(n_timepoints, time_steps)
    seen = np.zeros(max(n_timepoints, time_steps), dtype=int)
    for start in starts:
        seen[start : start + time_steps] += 1
    assert (seen[:n_timepoints] > 0).all()
    assert starts[0] == 0 and starts[-1] == max(n_timepoints - time_steps, 0)
    assert starts == sorted(set(starts))
    assert all(b - a <= max(time_steps // 2, 1) for a, b in pairwise(starts))
