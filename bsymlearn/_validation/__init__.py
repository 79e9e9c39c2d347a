"""The one gate for X: every accepted form becomes `Scans`, everything else an error."""

from bsymlearn._validation._arrays import has_negative, largest_weight, usable_rois
from bsymlearn._validation._cohort import (
    check_connectome_units,
    check_groups,
    check_is_unsigned,
)
from bsymlearn._validation._forms import (
    COLUMNS,
    MODALITIES,
    check_is_no_scan,
    check_is_numeric,
    is_table,
    is_univariate,
    modality_columns,
)
from bsymlearn._validation._remedies import remedied
from bsymlearn._validation._scans import Scans, check_scans
from bsymlearn._validation._timing import same_t_r

__all__ = [
    "COLUMNS",
    "MODALITIES",
    "Scans",
    "check_connectome_units",
    "check_groups",
    "check_is_no_scan",
    "check_is_numeric",
    "check_is_unsigned",
    "check_scans",
    "has_negative",
    "is_table",
    "is_univariate",
    "largest_weight",
    "modality_columns",
    "remedied",
    "same_t_r",
    "usable_rois",
]
