"""BrainSymphony, a brain foundation model, as scikit-learn estimators."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

__all__ = [
    "BrainSymphony",
    "BrainSymphonyClassifier",
    "BrainSymphonyRegressor",
    "BrainSymphonyTransformer",
    "EncoderConfig",
    "EncoderOutput",
    "adapt_parcellation",
    "convert_authors_checkpoint",
    "inspection",
    "load_checkpoint",
    "make_cohort",
    "plotting",
    "preprocessing",
    "read_cohort",
    "save_checkpoint",
]

_HOME = {
    "BrainSymphonyTransformer": "estimators",
    "BrainSymphonyClassifier": "estimators",
    "BrainSymphonyRegressor": "estimators",
    "BrainSymphony": "encoders",
    "EncoderConfig": "encoders",
    "EncoderOutput": "encoders",
    "read_cohort": "io",
    "make_cohort": "io",
    "save_checkpoint": "checkpoints",
    "load_checkpoint": "checkpoints",
    "convert_authors_checkpoint": "checkpoints",
    "adapt_parcellation": "checkpoints",
}

if TYPE_CHECKING:
    from bsymlearn import inspection, plotting, preprocessing
    from bsymlearn.checkpoints import (
        adapt_parcellation,
        convert_authors_checkpoint,
        load_checkpoint,
        save_checkpoint,
    )
    from bsymlearn.encoders import BrainSymphony, EncoderConfig, EncoderOutput
    from bsymlearn.estimators import (
        BrainSymphonyClassifier,
        BrainSymphonyRegressor,
        BrainSymphonyTransformer,
    )
    from bsymlearn.io import make_cohort, read_cohort


def __getattr__(name):
    # Lazy, so that reading a table does not pay for importing torch.
    if name in _HOME:
        return getattr(import_module(f"bsymlearn.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"bsymlearn.{name}")
    raise AttributeError(f"module 'bsymlearn' has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, "__version__"])
