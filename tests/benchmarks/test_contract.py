import re
from importlib.metadata import version
from pathlib import Path

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from tests.test_common import ESTIMATORS, EXPECTED_FAILURES

PAGE = Path(__file__).resolve().parents[2] / "doc" / "scikit_learn_contract.rst"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def counts(page, estimator):
    """Numbers in the row of one of our estimators: passed, declared, failed, skipped."""
    name = type(estimator).__name__
    row = re.search(rf"\* - bsymlearn {name}\n((?:     - \d+\n){{4}})", page)
    assert row, f"no row for {name}; run python -m benchmarks.contract"
    return [int(number) for number in re.findall(r"\d+", row[1])]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_page_counts_no_failure_of_ours(page, estimator):
    passed, declared, failed, skipped = counts(page, estimator)
    assert failed == skipped == 0
    assert declared == (0 if hasattr(estimator, "transform") else 1)
    if f"scikit-learn {version('scikit-learn')}," in page:
        n_checks = sum(1 for _ in estimator_checks_generator(estimator))
        assert passed + declared == n_checks, "stale; run python -m benchmarks.contract"


def test_page_declares_what_the_tests_declare(page):
    section = re.search(r"^Declared exceptions\n=+\n(.*?)\n\w[^\n]*\n===", page, re.M | re.S)[1]
    declared = re.findall(r"^- ``(\w+)``", section, re.M)
    assert declared == list(EXPECTED_FAILURES) == ["check_sample_weight_equivalence_on_dense_data"]
    reason = " ".join(EXPECTED_FAILURES[declared[0]].split())
    assert reason in " ".join(section.split())


def test_page_lists_failed_checks_of_others_only(page):
    failed = page.split("Failed checks\n====")[1]
    assert "bsymlearn" not in failed.split("Versions\n====")[0]
    assert not re.search(r"bsymlearn \w+, ``\w+`` failed", page)  # among the further checks
