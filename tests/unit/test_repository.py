"""The repository as a whole: what must not be in it, what every package says of itself, and who phones home.

Belongs here: properties of files that no tool checks. Does not belong here: style (ruff, sqlfluff), the
direction of imports, dependencies: each has a test file of its own.
"""

import ast
import fnmatch
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from orchestration import dagster_home
from warehouse import data_docs, expectations
from warehouse.transform import ANY_DATABASE, PROJECT, QUERY, Transformer, _kept, keep

REPOSITORY = Path(__file__).resolve().parents[2]
IGNORED = [
    line for line in (REPOSITORY / ".gitignore").read_text(encoding="utf-8").split() if not line.startswith("#")
] + [".git/"]
LARGEST = 1 << 20  # bytes; data and binaries do not belong in a repository of code
HOSTS = re.compile(
    r"^(localhost|127\.0\.0\.1|(.+\.)?example(\.(com|org|net))?|keepachangelog\.com|semver\.org|www\.w3\.org)$"
)
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.}~-])/(work|root|workspace|(home|Users)/\w+)(/|\b)(?!\.\.)"),
    "a package index": re.compile(r"--(extra-)?index-url|--find-links|--trusted-host|PIP_INDEX|UV_INDEX|/simple\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
}
SPEAKS_OF_THEM = {"test_repository.py", "test_dependencies.py"}
"""Tests that have to spell out what they look for."""


def is_ignored(path: Path) -> bool:
    """Whether .gitignore keeps the path out; patterns are names, or paths from the root with a slash in front."""
    relative = path.relative_to(REPOSITORY)
    for pattern in IGNORED:
        name = pattern.strip("/")
        if pattern.startswith("/"):
            if f"{relative}/".startswith(f"{name}/"):
                return True
        elif any(fnmatch.fnmatch(part, name) for part in relative.parts):
            return True
    return False


def files() -> Iterator[Path]:
    """Files that are, or would be, in the repository."""
    folders = [REPOSITORY]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if is_ignored(path):
                continue
            if path.is_dir():
                folders.append(path)
            else:
                yield path


def findings(text: str) -> list[str]:
    """What of a file's text must not be there."""
    found = [f"{what}: {match[0]}" for what, pattern in FORBIDDEN.items() for match in pattern.finditer(text)]
    hosts = (match[1] for match in re.finditer(r"\bhttps?://(?:[^\s/@\"'`]*@)?([\w.-]+)", text))
    return found + [f"a host of somebody's: {host}" for host in hosts if not HOSTS.match(host)]


def packages() -> list[Path]:
    """Folders with an ``__init__.py``."""
    return [path for path in files() if path.name == "__init__.py"]


def says_what_belongs(docstring: str | None) -> bool:
    """Whether a package's docstring says what belongs in it and what does not."""
    text = " ".join((docstring or "").split())
    return "Belongs here: " in text and "Does not belong here: " in text


def test_no_file_has_what_must_not_be_in_the_repository() -> None:
    found = {
        str(path.relative_to(REPOSITORY)): findings(path.read_text(encoding="utf-8"))
        for path in files()
        if path.name not in SPEAKS_OF_THEM
    }
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "open('/root/file')",
        "see /home/somebody/notes",
        "cd /work/place",
        "pip install --index-url x",
        "-----BEGIN RSA PRIVATE KEY",
        "https://packages.company.test/",
        "http://user:word@10.0.0.1:8080/",
    ],
)
def test_what_must_not_be_in_the_repository_is_found(text: str) -> None:
    assert findings(text) != []


@pytest.mark.parametrize("text", ["http://localhost:3000", "https://www.example.org/x", "$HOME/.weir", "docs/work/x"])
def test_what_may_be_in_the_repository_is_not_found(text: str) -> None:
    assert findings(text) == []


def test_files_are_small() -> None:
    assert [str(path) for path in files() if path.stat().st_size > LARGEST] == []


def test_ignored_folders_are_not_looked_into() -> None:
    for name in (".venv/bin/x", ".weir/data/x", "models/__pycache__/x.pyc", "dbt_project/target/x", "weir.toml"):
        assert is_ignored(REPOSITORY / name), name
    for name in ("pyproject.toml", ".ci/run", "dbt_project/models/x.sql"):
        assert not is_ignored(REPOSITORY / name), name


@pytest.mark.parametrize("path", packages(), ids=lambda path: str(path.parent.relative_to(REPOSITORY)))
def test_every_package_says_what_belongs_there(path: Path) -> None:
    assert says_what_belongs(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))


def test_a_package_that_does_not_say_what_belongs_there_is_found() -> None:
    assert not says_what_belongs(None)
    assert not says_what_belongs("Belongs here: everything.")


def test_dagster_sends_nothing_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")  # and back to what it was afterwards
    home = dagster_home.prepare(tmp_path, None)
    assert yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))["telemetry"] == {"enabled": False}
    assert os.environ["DAGSTER_DISABLE_TELEMETRY"] == "1"


def test_dbt_sends_nothing_home(tmp_path: Path) -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["flags"]["send_anonymous_usage_stats"] is False
    transformer = Transformer("postgresql://localhost/warehouse", tmp_path)
    assert "--no-send-anonymous-usage-stats" in transformer._flags()


def test_great_expectations_is_told_before_it_is_imported() -> None:
    for module, imports in ((expectations, "import great_expectations as gx"), (data_docs, "from great_expectations")):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert source.index('os.environ["GX_ANALYTICS_ENABLED"] = "false"') < source.index(imports)
    for path in files():
        if path.suffix == ".py" and path.name not in {"expectations.py", "data_docs.py", *SPEAKS_OF_THEM}:
            assert not re.search(r"(import|from) great_expectations", path.read_text(encoding="utf-8")), path


def test_calls_of_dbt_do_not_grow_slower(tmp_path: Path) -> None:
    from dbt.adapters.base import impl

    transformer = Transformer("postgresql://nobody@localhost/warehouse", tmp_path)
    transformer._call(None, "parse", transformer._flags())
    transformer._call(None, "parse", transformer._flags())
    names = [flag["name"] for flag in impl.DEFAULT_BASE_BEHAVIOR_FLAGS]
    assert len(names) <= len(set(names)) + 1  # those of the last call, no more


def test_what_is_kept_of_the_project_is_what_dbt_compiled(tmp_path: Path) -> None:
    transformer = Transformer("postgresql://nobody@localhost/warehouse", tmp_path)
    compiled = transformer.compile()
    assert len(compiled.models) > 80 and len(compiled.tests) > 40
    keep(compiled, tmp_path)
    (kept,) = tmp_path.glob("compiled-*.json")
    found = _kept(kept)
    assert found is not None
    assert json.dumps(asdict(found)) == json.dumps(asdict(compiled))
    kept.write_text("cut short", encoding="utf-8")
    assert _kept(kept) is None


def test_what_is_compiled_depends_on_nothing_of_the_place(tmp_path: Path) -> None:
    text = json.dumps(asdict(Transformer("postgresql://nobody@localhost/warehouse", tmp_path).compiled()))
    assert ANY_DATABASE not in text
    assert QUERY not in text
