"""Validation splits that keep participants together."""

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit


def split_participants(
    groups: list, fraction: float, seed: int, minimum: int = 0
) -> tuple[list[int], list[int]]:
    """Split rows into training and validation so that no participant is in both.

    Parameters
    ----------
    groups : list of hashable
        Participant of each row.
    fraction : float
        Share of the participants that validates, rounded to whole ones.
    seed : int
    minimum : int, default=0
        The smallest number of participants that validate.

    Returns
    -------
    train, held_out : list of int
        Rows; at least one participant trains.

    Examples
    --------
    >>> train, held_out = split_participants(["a", "a", "b", "c"], 0.34, seed=0)
    >>> len(train) + len(held_out)
    4
    """
    # By first appearance, so that the names of participants do not decide who is held out.
    codes, participants = pd.factorize(np.array([str(group) for group in groups]))
    n_participants = len(participants)
    n_held_out = min(max(round(fraction * n_participants), minimum), n_participants - 1)
    if n_held_out == 0:
        return list(range(len(groups))), []
    split = GroupShuffleSplit(n_splits=1, test_size=n_held_out, random_state=seed)
    train, held_out = next(split.split(codes, groups=codes))
    return train.tolist(), held_out.tolist()
