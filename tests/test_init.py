import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bsymlearn

SOURCE = Path(bsymlearn.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", bsymlearn.__all__)
def test_public_name_resolves(name):
    if name == "plotting":
        pytest.importorskip("matplotlib", reason="plotting comes with the plot extra")
    assert getattr(bsymlearn, name).__doc__


def test_all_is_a_sorted_literal_and_covers_what_is_lazy():
    values = [
        ast.literal_eval(node.value)
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert values == [bsymlearn.__all__]
    assert set(bsymlearn._HOME) < set(bsymlearn.__all__)
    assert set(bsymlearn.__all__) <= set(dir(bsymlearn))


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bsymlearn.nothing


def test_reading_tables_does_not_import_torch():
    code = "import sys, bsymlearn; bsymlearn.read_cohort; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
