from pathlib import Path

import pytest

cli = pytest.importorskip("importlinter.cli", reason="import-linter comes with the dev extra")

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


@pytest.mark.parametrize("contract", ["layers", "encoders-alone", "preprocessing-without-torch"])
def test_import_contract_is_kept(contract, capfd):
    status = cli.lint_imports(
        config_filename=str(PYPROJECT),
        limit_to_contracts=(contract,),
        no_cache=True,
        no_logo=True,
    )
    assert status == cli.EXIT_STATUS_SUCCESS, capfd.readouterr().out
