"""What every message of an error must have."""

import re
import traceback

import pytest

REMEDY = re.compile(
    r"\b(give|transpose|set|drop|add|leave|use|name|reshape|interpolate|pass|wrap|convert|choose"
    r"|copy|check|rename|write|save|call|must be|should be|replace|parcellate|run|remove|repair)\b",
    re.IGNORECASE,
)
# The gates for data and for parameters; what is raised elsewhere has leaked.
_OURS = re.compile(r"/bsymlearn/|/sklearn/utils/_param_validation\.py$")


def raises(error, words, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert re.search(words, message), message
    assert REMEDY.search(message), message


def refuses(call, *args, rows=(), **kwargs):
    """Check that a call is refused by a gate, with a remedy and the name of a row to blame."""
    try:
        call(*args, **kwargs)
    except (ValueError, TypeError, FileNotFoundError) as error:
        check_is_ours(error, rows)
    else:
        raise AssertionError("bad input was accepted")


def check_is_ours(error, rows=()):
    """Check who raised an error, and that it says what to do, and where."""
    message = f"{type(error).__name__}: {error}"
    assert _OURS.search(traceback.extract_tb(error.__traceback__)[-1].filename), message
    assert REMEDY.search(message), f"no remedy in {message}"
    named = [re.search(rf"\bsample {row}\b|\brow {row} \(", message) for row in rows]
    assert not rows or any(named), f"none of rows {rows} in {message}"
