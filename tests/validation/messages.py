"""What every message of an error must have."""

import re

import pytest

REMEDY = re.compile(
    r"\b(give|transpose|set|drop|add|leave|use|name|reshape|interpolate|pass|wrap|convert|choose"
    r"|copy|check|rename|write|save|call|must be|should be|replace)\b",
    re.IGNORECASE,
)


def raises(error, words, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert re.search(words, message), message
    assert REMEDY.search(message), message
