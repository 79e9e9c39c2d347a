"""What to do, where messages of libraries do not say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def remedied(remedy: str) -> Iterator[None]:
    """Add what to do to errors of scikit-learn and of what it calls; nothing else may run in it.

    Its words come first: they are those that users know, and that its own checks look for.
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{str(error).strip().rstrip('.')}. {remedy}") from error
