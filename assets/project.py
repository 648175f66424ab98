"""What the dbt project says of its models: files, references, descriptions, columns. Read without dbt.

Belongs here: reading the project's files, which takes a tenth of what importing dbt would. Does not belong
here: what becomes of it in Dagster (``assets.specs``).
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
LAYERS = ("staging", "intermediate", "standing", "candidate")

MODEL = re.compile(r"(?:\bref\(|\bstanding\(|\bfact_changes\(|\baffected=)\s*'(\w+)'")
TESTED = re.compile(r"meta=\{[^}]*'mart': '(\w+)'")
SOURCE = re.compile(r"(?:\bsource\(|\bchanges\()\s*'(\w+)',\s*'(\w+)'")


@dataclass(frozen=True)
class Column:
    """A column as the yml files describe it."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Model:
    """A model, and what it reads: other models, and tables of sources (``source``, ``table``)."""

    name: str
    layer: str
    application: str
    models: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Described:
    """What a reader is told of a relation."""

    description: str = ""
    columns: tuple[Column, ...] = field(default=())


@cache
def models() -> dict[str, Model]:
    """All models by name, in order of layers, applications and names."""
    return {
        path.stem: Model(
            name=path.stem,
            layer=layer,
            application=path.parent.name,
            models=tuple(dict.fromkeys(MODEL.findall(text))),
            sources=tuple(dict.fromkeys(SOURCE.findall(text))),
        )
        for layer in LAYERS
        for path in sorted((PROJECT / "models" / layer).glob("*/*.sql"))
        for text in [path.read_text(encoding="utf-8")]
    }


@cache
def descriptions() -> dict[str, Described]:
    """Of models by name, and of the applications' tables by ``application.table``."""
    found = {}
    for path in sorted((PROJECT / "models").rglob("*.yml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for model in content.get("models", ()):
            found[model["name"]] = _described(model)
        for source in content.get("sources", ()):
            for table in source["tables"] or ():
                found[f"{source['name']}.{table['name']}"] = _described(table)
    return found


@cache
def tested() -> frozenset[str]:
    """Marts that data tests of the project look at."""
    return frozenset(
        name for path in (PROJECT / "tests").glob("*.sql") for name in TESTED.findall(path.read_text(encoding="utf-8"))
    )


def _described(entry: dict[str, object]) -> Described:
    columns = entry.get("columns") or ()
    assert isinstance(columns, list | tuple)
    return Described(
        _flat(entry.get("description")),
        tuple(
            Column(str(column["name"]), str(column.get("data_type", "")), _flat(column.get("description")))
            for column in columns
        ),
    )


def _flat(text: object) -> str:
    return " ".join(str(text or "").split())
