"""Windows of a scan."""


def window_starts(n_timepoints: int, time_steps: int) -> list[int]:
    """Start points of half-overlapping windows that cover a scan.

    Parameters
    ----------
    n_timepoints : int
        Length of the scan.
    time_steps : int
        Length of a window.

    Returns
    -------
    starts : list of int
        Every ``time_steps // 2`` points; the last window ends with the scan. A scan that is
        not longer than a window has one, which starts at 0.

    Examples
    --------
    >>> window_starts(250, 100)
    [0, 50, 100, 150]
    >>> window_starts(260, 100)
    [0, 50, 100, 150, 160]
    >>> window_starts(80, 100)
    [0]
    """
    last = max(n_timepoints - time_steps, 0)
    starts = list(range(0, last + 1, max(time_steps // 2, 1)))
    if starts[-1] != last:
        starts.append(last)
    return starts
