import os
from pathlib import Path

import pytest

# Libraries read these once, when they are imported. Without the first, scikit-learn skips its
# array API checks; the second keeps threads that wait from spinning, which a busy machine pays for.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data; BSYMLEARN_DATA overrides ../shared/data."""
    named = os.environ.get("BSYMLEARN_DATA")
    folder = Path(named).expanduser() if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set BSYMLEARN_DATA to their folder")
    return folder.resolve()


@pytest.fixture
def no_training(monkeypatch):
    """Let anything that trains fail: what is refused must be refused before."""

    def fail(*args, **kwargs):
        raise AssertionError("training started")

    monkeypatch.setattr("bsymlearn.estimators._base.pretrain", fail)
    monkeypatch.setattr("bsymlearn.estimators._supervised.train", fail)
