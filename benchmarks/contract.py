"""Count which of scikit-learn's checks our estimators, skorch's and nilearn's pass.

Run ``python -m benchmarks.contract``; it writes ``doc/scikit_learn_contract.rst`` in about a
minute. Ours are the estimators that ``tests/test_common.py`` checks, with its declared exceptions.
"""

import os
import platform
import re
import sys
import textwrap
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from unittest import SkipTest

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # SciPy reads it when it is imported

import torch
from nilearn.connectome import ConnectivityMeasure
from sklearn.utils.estimator_checks import check_estimator
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from tests.test_common import ESTIMATORS, expected_failed_checks, further_checks

PAGE = Path(__file__).resolve().parents[1] / "doc" / "scikit_learn_contract.rst"
STATUSES = {"passed": "passed", "xfail": "declared", "failed": "failed", "skipped": "skipped"}
PACKAGES = ("scikit-learn", "bsymlearn", "skorch", "nilearn", "torch", "numpy", "scipy", "pandas")
WIDTH = 100

INTRODUCTION = """\
scikit-learn tests by ``check_estimator`` whether an estimator keeps its conventions: that ``fit``
changes neither X nor the parameters, that a clone and a pickle are the estimator, that rows of a
prediction do not depend on each other, that wrong input is refused with a message that says why,
and so on. This page counts the checks that pass. It is written by::

    python -m benchmarks.contract

*Declared* are checks that fail and were said to, with a reason (``expected_failed_checks``);
*skipped* are checks that need a package that was not installed.
"""
NOTES = """\
Ours are small estimators with ordinary settings, those of ``tests/test_common.py``. No tag asks for
leniency (``non_deterministic``, ``poor_score``), and all compute in float32.

The nets of skorch train a perceptron with one hidden layer of 32 units, whose width follows X and
which casts X to float32 (a regressor's loss casts y), by Adam at a learning rate of 0.01 for 20
epochs on all data, from fixed weights. skorch hands X and y to the module as they are, and many of
the checks that fail ask what becomes of wrong ones.

The checks give 2-D X. ``ConnectivityMeasure`` takes lists or 3-D arrays of time series and no 2-D
X, so its row says which checks notice that, and is no verdict on nilearn.
"""


class Perceptron(nn.Module):
    """A hidden layer; its own seed makes a refit the same, which the net itself cannot."""

    def __init__(self, n_outputs=1):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, n_outputs))

    def forward(self, X):
        return self.layers(X.float())


class SquaredError(nn.MSELoss):
    """Of y in any precision."""

    def forward(self, predicted, y):
        return super().forward(predicted, y.float())


def nets():
    """Give skorch's estimators as one would build them for 2-D X."""
    settings = {
        "optimizer": torch.optim.Adam,
        "lr": 1e-2,
        "max_epochs": 20,
        "train_split": None,
        "verbose": 0,
    }
    # No check has more than three classes.
    classes = {"module__n_outputs": 3, "criterion": nn.CrossEntropyLoss}
    return [
        NeuralNetClassifier(Perceptron, **classes, **settings),
        NeuralNetRegressor(Perceptron, criterion=SquaredError, **settings),
    ]


def run(estimator, declared):
    """Run all checks; gives a (status, name, exception) each, and shows progress."""
    results = []

    def record(check_name, exception, status, **kwargs):
        results.append((STATUSES[status], check_name, exception))
        print(f"{type(estimator).__name__} {len(results)} {check_name} {status}", file=sys.stderr)

    check_estimator(
        estimator, expected_failed_checks=declared, on_fail=None, on_skip=None, callback=record
    )
    return results


def run_further(estimator):
    """Run what `check_estimator` leaves out, and give the same triples."""
    results = []
    for name, check in further_checks(estimator).items():
        try:
            check(type(estimator).__name__, estimator)
            results.append(("passed", name, None))
        except SkipTest as skip:
            results.append(("skipped", name, skip))
        except Exception as exception:
            results.append(("failed", name, exception))
    return results


def reason(exception):
    """First line of a message, as rst, without what changes between runs."""
    lines = [line.strip() for line in str(exception).splitlines() if line.strip()]
    kind = "" if isinstance(exception, SkipTest) else f"{type(exception).__name__}: "
    text = kind + (lines[0] if lines else "no message")
    text = re.sub(r" at 0x[0-9a-f]+", "", text).replace("`", "'")
    return re.sub(r"([\\*_|])", r"\\\1", textwrap.shorten(text, 180, placeholder=" …"))


def table(results):
    """Counts of each estimator, as an rst table."""
    header = ["estimator", *STATUSES.values()]
    rows = []
    for name, found in results.items():
        count = Counter(status for status, _, _ in found)
        rows.append([name, *(str(count[status]) for status in STATUSES.values())])
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines)


def bullets(items):
    """An rst list."""
    wrap = textwrap.TextWrapper(
        WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(map(wrap.fill, items))


def listing(results, status):
    """Which checks have a status, by estimator, with the reasons; the same line once."""
    parts = []
    for name, found in results.items():
        chosen = [(check, exception) for s, check, exception in found if s == status]
        lines = Counter(f"``{check}``: {reason(exception)}" for check, exception in chosen)
        if lines:
            times = (line + (f" ({n} times)" if n > 1 else "") for line, n in lines.items())
            parts.append(f"{name}\n{'~' * len(name)}\n\n{bullets(times)}")
    return "\n\n".join(parts) or "None."


def section(title, *parts):
    """An rst section."""
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *parts])


def declared_exceptions():
    """Names and reasons, as an rst list."""
    reasons: dict[str, str] = {}
    for estimator in ESTIMATORS:
        reasons |= expected_failed_checks(estimator)
    return bullets(f"``{check}``: {why}" for check, why in reasons.items())


def write(results, further):
    """Write the page."""
    passed = {
        name: ", ".join(f"``{check}``" for status, check, _ in found if status == "passed")
        for name, found in further.items()
    }
    others = {name: [r for r in found if r[0] != "passed"] for name, found in further.items()}
    left = [
        f"{name}, ``{check}`` {status}: {reason(exception)}"
        for name, found in others.items()
        for status, check, exception in found
    ]
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    title = "The scikit-learn contract"
    parts = [
        f"{'=' * len(title)}\n{title}\n{'=' * len(title)}",
        INTRODUCTION.strip(),
        section("Results", table(results), NOTES.strip()),
        section(
            "Declared exceptions", "Of the classifier and the regressor:", declared_exceptions()
        ),
        section(
            "Further checks",
            "scikit-learn runs more checks on its own estimators than ``check_estimator`` does. Of "
            "these pass for ours:",
            bullets(f"{name}: {checks}" for name, checks in passed.items()),
            "The rest of them:" if left else "All of them pass.",
            bullets(left),
        ),
        section("Failed checks", listing(results, "failed")),
        section("Versions", ", ".join([*versions, f"Python {platform.python_version()}"]) + "."),
    ]
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def main():
    """Run all, and write the page."""
    torch.set_num_threads(1)
    names = [f"bsymlearn {type(estimator).__name__}" for estimator in ESTIMATORS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = [run(estimator, expected_failed_checks(estimator)) for estimator in ESTIMATORS]
        results = dict(zip(names, ours, strict=True))
        for net in nets():
            results[f"skorch {type(net).__name__}"] = run(net, {})
        results["nilearn ConnectivityMeasure"] = run(ConnectivityMeasure(), {})
        further = {
            name: run_further(estimator) for name, estimator in zip(names, ESTIMATORS, strict=True)
        }
    write(results, further)
    print(f"wrote {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
