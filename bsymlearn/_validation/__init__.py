"""The one gate for X: every accepted form becomes `Scans`, everything else an error."""

from bsymlearn._validation._arrays import largest_weight, usable_rois
from bsymlearn._validation._cohort import check_connectome_units
from bsymlearn._validation._forms import (
    COLUMNS,
    MODALITIES,
    check_is_no_scan,
    check_is_numeric,
    is_table,
    is_univariate,
    modality_columns,
)
from bsymlearn._validation._scans import Scans, check_scans

__all__ = [
    "COLUMNS",
    "MODALITIES",
    "Scans",
    "check_connectome_units",
    "check_is_no_scan",
    "check_is_numeric",
    "check_scans",
    "is_table",
    "is_univariate",
    "largest_weight",
    "modality_columns",
    "usable_rois",
]
