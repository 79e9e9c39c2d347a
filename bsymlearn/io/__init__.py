"""Tables of subjects: read from derivatives on disk, or simulated."""

from ._files import read_connectome, read_repetition_time, read_timeseries
from ._outliers import read_sample_mask
from ._read import read_cohort
from ._simulate import make_cohort

__all__ = [
    "make_cohort",
    "read_cohort",
    "read_connectome",
    "read_repetition_time",
    "read_sample_mask",
    "read_timeseries",
]
