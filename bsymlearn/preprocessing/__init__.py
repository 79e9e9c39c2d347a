"""What is done to scans before a model sees them: numpy and scikit-learn, no torch."""

from bsymlearn.preprocessing._connectome import scale_connectome
from bsymlearn.preprocessing._parcellation import coordinate_overlap, parcellation_overlap
from bsymlearn.preprocessing._resampling import resample_timeseries
from bsymlearn.preprocessing._scaling import robust_scale
from bsymlearn.preprocessing._windows import window_starts

__all__ = [
    "coordinate_overlap",
    "parcellation_overlap",
    "resample_timeseries",
    "robust_scale",
    "scale_connectome",
    "window_starts",
]
