"""What a fitted estimator makes of scans."""

from bsymlearn.inspection._gate import gate_summary

__all__ = ["gate_summary"]
