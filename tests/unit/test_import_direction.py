"""The direction of imports: the linter's contracts hold here, and each of them fails where it is broken.

Belongs here: import-linter's contracts of pyproject.toml, tested on copies that break them, and the
independence of the reference implementation. Does not belong here: what modules do.
"""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
ONE_WAY = "Imports go one way: models, warehouse, assets, orchestration"
NO_DAGSTER = "The core knows nothing of Dagster"
VIOLATIONS = [
    pytest.param("models/base.py", "import warehouse.catalog", ONE_WAY, id="models imports warehouse"),
    pytest.param("warehouse/lock.py", "import assets.specs", ONE_WAY, id="warehouse imports assets"),
    pytest.param("assets/specs.py", "import orchestration.settings", ONE_WAY, id="assets imports orchestration"),
    pytest.param("warehouse/lock.py", "def late():\n    import dagster", NO_DAGSTER, id="warehouse imports dagster"),
    pytest.param("warehouse/lock.py", "from typer import echo", NO_DAGSTER, id="warehouse imports typer"),
    pytest.param("models/base.py", "from rich.table import Table", NO_DAGSTER, id="models imports rich"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter as `make lint` does, on the packages in ``folder``."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": "", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in CONFIG["root_packages"]:
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.sql"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_repository_keeps_every_contract() -> None:
    answer = lint(REPOSITORY)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"Contracts: {len(CONFIG['contracts'])} kept, 0 broken." in answer.stdout


@pytest.mark.parametrize(("module", "line", "contract"), VIOLATIONS)
def test_an_import_against_the_direction_breaks_its_contract(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    answer = lint(copy)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert f"{contract} BROKEN" in answer.stdout


def test_every_contract_has_a_case_that_breaks_it() -> None:
    assert {contract["name"] for contract in CONFIG["contracts"]} == {case.values[2] for case in VIOLATIONS}


def test_every_package_has_its_layer() -> None:
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - {"tests", "benchmarks"}
    (layers,) = (contract["layers"] for contract in CONFIG["contracts"] if contract["type"] == "layers")
    assert packages == set(CONFIG["root_packages"]) == set(layers)


def test_the_reference_shares_nothing_with_what_it_judges() -> None:
    for path in (REPOSITORY / "tests" / "reference").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in {*CONFIG["root_packages"], "dbt", "sqlalchemy"}, f"{path}: {name}"
