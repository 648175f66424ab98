"""Dependencies: each has its reason, is locked by hash, and is declared where it is imported.

Belongs here: pyproject.toml held against the lock files and the imports. Does not belong here: whether an
installation works (that is what every other test shows).
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
LOCKS = {
    name: (REPOSITORY / name).read_text(encoding="utf-8") for name in ("requirements.lock", "requirements-uv.lock")
}
OWN = {"models", "warehouse", "assets", "orchestration", "tests", "benchmarks"}


def declared(pyproject: str) -> dict[str, Requirement]:
    """Requirements by canonical name, those of the extras too."""
    project = tomllib.loads(pyproject)["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, texts)}


def without_reason(pyproject: str) -> list[str]:
    """Lines that declare a dependency and do not say what for."""
    project = pyproject.split("\n[project]\n")[1].split("\n[project.scripts]\n")[0]
    lines = [line for line in project.splitlines() if re.match(r'    "', line)]
    return [line for line in lines if not re.search(r'",  # \w.{5,}', line)]


def pins(lock: str) -> dict[str, tuple[Requirement, int]]:
    """Locked requirements and the number of their hashes, by canonical name."""
    found: dict[str, tuple[Requirement, int]] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n" + lock):
        if match := re.match(r"\n?([A-Za-z0-9][^\\\n#]*)", entry):
            requirement = Requirement(match[1].strip())
            found[canonicalize_name(requirement.name)] = (requirement, entry.count("--hash=sha256:"))
    return found


def defects(lock: str) -> list[str]:
    """What makes a lock file something else than names, versions and hashes."""
    found = [line for line in lock.splitlines() if re.search(r"://|(^|\s)(-i|-f|-e|--(?!hash=))|\s@\s|\w+@\w", line)]
    for name, (requirement, hashes) in pins(lock).items():
        if [specifier.operator for specifier in requirement.specifier] != ["=="] or "*" in str(requirement.specifier):
            found.append(f"{name} is not pinned")
        if not hashes:
            found.append(f"{name} has no hash")
    return found


def imported() -> Iterator[tuple[str, Path]]:
    """Top-level names of other people's packages, with the file that imports them."""
    for path in REPOSITORY.glob("[!.]*/**/*.py"):
        if path.name.startswith("peer_"):  # runs in an interpreter of its own, which the benchmark makes
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in (name.split(".")[0] for name in names):
                if name not in OWN and name not in sys.stdlib_module_names:
                    yield name, path


def test_every_dependency_says_what_it_is_for() -> None:
    assert without_reason(PYPROJECT) == []


def test_a_dependency_without_its_reason_is_found() -> None:
    assert without_reason(PYPROJECT.replace('"rich>=14",  # its tables and progress', '"rich>=14",')) == [
        '    "rich>=14",'
    ]


def test_every_dependency_is_locked_within_its_range() -> None:
    locked = pins(LOCKS["requirements.lock"])
    for name, requirement in declared(PYPROJECT).items():
        assert name in locked, f"{name} is not locked: make lock"
        (pin,) = locked[name][0].specifier
        assert requirement.specifier.contains(pin.version), f"{requirement} is locked as {pin.version}: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_has_nothing_but_names_versions_and_hashes(name: str) -> None:
    assert pins(LOCKS[name])
    assert defects(LOCKS[name]) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url=//packages.example",
        "-i packages",
        "thing @ git+ssh",
        "thing==1.0",
        "thing>=1.0 \\\n    --hash=sha256:00",
    ],
)
def test_a_lock_file_with_anything_else_is_found(line: str) -> None:
    assert defects(LOCKS["requirements-uv.lock"] + line + "\n") != []


def test_what_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    names = set(declared(PYPROJECT))
    for name, path in imported():
        candidates = {canonicalize_name(distribution) for distribution in distributions.get(name, ())}
        assert candidates & names, f"{path} imports {name}, which pyproject.toml does not name"
