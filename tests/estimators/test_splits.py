import pytest

from bsymlearn.estimators._splits import split_participants

GROUPS = ["a", "a", "b", "c", "c", "c", "d", "e"]


@pytest.mark.parametrize("seed", range(5))
def test_participants_stay_together(seed):
    train, held_out = split_participants(GROUPS, 0.4, seed)
    assert sorted(train + held_out) == list(range(len(GROUPS)))
    names = {GROUPS[i] for i in train}, {GROUPS[i] for i in held_out}
    assert not names[0] & names[1] and len(names[1]) == 2
    assert (train, held_out) == split_participants(GROUPS, 0.4, seed)


@pytest.mark.parametrize(
    ("fraction", "minimum", "expected"), [(0, 0, 0), (0.01, 0, 0), (0.01, 1, 1), (0.99, 0, 4)]
)
def test_number_held_out(fraction, minimum, expected):
    train, held_out = split_participants(GROUPS, fraction, 0, minimum)
    assert len({GROUPS[i] for i in held_out}) == expected and train


def test_names_of_participants_do_not_decide_who_is_held_out():
    numbers = list(range(30))
    names = [f"sub-{number:02d}" for number in numbers]
    assert split_participants(numbers, 0.2, seed=0) == split_participants(names, 0.2, seed=0)
