import ast
import configparser
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import bsymlearn

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = sorted((REPOSITORY / "bsymlearn").rglob("*.py"))
# Import names that differ from the name of the distribution.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# Optional, so imported inside functions only.
SOFT = {"matplotlib"}


def parse_requirements(text):
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line]
    return {canonicalize_name(r.name): r for r in found if r.name != "bsymlearn"}


@pytest.fixture(scope="module")
def setup_cfg():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def core(setup_cfg):
    return parse_requirements(setup_cfg["options"]["install_requires"])


@pytest.fixture(scope="module")
def declared(setup_cfg, core):
    extras = setup_cfg["options.extras_require"].values()
    return core | {name: r for extra in extras for name, r in parse_requirements(extra).items()}


@pytest.fixture(scope="module")
def pinned():
    return parse_requirements((REPOSITORY / "constraints.txt").read_text(encoding="utf-8"))


def distributions(nodes):
    """Distributions that the imports among the nodes need, beside the standard library."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return {DISTRIBUTIONS.get(n, n) for n in names - sys.stdlib_module_names - {"bsymlearn"}}


def test_version_is_a_literal_readable_without_importing():
    tree = ast.parse((REPOSITORY / "bsymlearn" / "__init__.py").read_text(encoding="utf-8"))
    values = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert values == [bsymlearn.__version__]
    assert str(Version(values[0])) == values[0]


def test_installed_metadata_carry_the_version():
    try:
        installed = metadata.version("bsymlearn")
    except metadata.PackageNotFoundError:
        pytest.skip("bsymlearn is not installed here, only importable")
    assert installed == bsymlearn.__version__


def test_changelog_opens_with_the_version_under_way():
    text = (REPOSITORY / "doc" / "whats_new.rst").read_text(encoding="utf-8")
    newest = re.search(r"^Version (\S+)", text, flags=re.MULTILINE)
    assert newest and newest[1] == Version(bsymlearn.__version__).base_version


def test_constraints_pin_exactly_what_is_declared(declared, pinned):
    assert sorted(pinned) == sorted(declared)
    assert all(re.fullmatch(r"==[\w.]+", str(r.specifier)) for r in pinned.values())


def test_tested_versions_lie_in_the_declared_ranges(declared, pinned):
    outside = [
        f"{pinned[name]} is outside {requirement}"
        for name, requirement in declared.items()
        if not requirement.specifier.contains(str(pinned[name].specifier).removeprefix("=="))
    ]
    assert outside == []


def test_every_requirement_has_a_lower_bound(declared):
    unbounded = [
        name
        for name, requirement in declared.items()
        if not any(s.operator == ">=" for s in requirement.specifier)
    ]
    assert unbounded == []


@pytest.mark.parametrize("release", ["1.7.0", "1.9.0"])
def test_scikit_learn_releases_that_nilearn_excludes_are_excluded(core, release):
    assert not core["scikit-learn"].specifier.contains(release)


def test_python_range_is_the_one_the_linter_targets(setup_cfg):
    pyproject = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    major, minor = re.search(r'target-version = "py(\d)(\d+)"', pyproject).groups()
    assert setup_cfg["options"]["python_requires"] == f">={major}.{minor}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_import_is_a_declared_dependency(path, core):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert distributions(ast.walk(tree)) <= set(core) | SOFT
    assert distributions(tree.body) <= set(core)


def test_every_folder_with_code_is_a_package():
    # find: leaves folders without __init__.py out of the wheel.
    bare = {p.parent for p in SOURCES if not (p.parent / "__init__.py").is_file()}
    assert bare == set()
