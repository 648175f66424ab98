"""The style of SQL: what `make lint-sql` accepts, and a case that breaks each of the rules that the style names.

Belongs here: sqlfluff's configuration in pyproject.toml and its stand-ins for dbt (dbt_project/lint). Does not
belong here: what models compute; the models themselves are linted by `make lint-sql`.
"""

import re
from pathlib import Path

import pytest
from sqlfluff.core import FluffConfig, Linter

from tests.dbt_text import text_of

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = sorted((REPOSITORY / "dbt_project" / "models").rglob("*.sql"))
MACROS = REPOSITORY / "dbt_project" / "macros"
ONE_SELECT = "-- One select, without CTEs: PostgreSQL looks through it"
CALLS = [path for path in MODELS if text_of(path, MACROS) != path.read_text(encoding="utf-8") and "week" in path.stem]
"""Models that are the call of a macro; the linter leaves out what macros write. Their months are the same text."""
GOOD = """\
{{ config(materialized='scratch') }}
-- One row per task and local date that it can touch.
with tasks as (

    select * from {{ ref('stg_scheduling__tasks') }}

),

task_dates as (

    select
        tasks.task_id,
        touched.date,
        coalesce(tasks.category_id, {{ nil_uuid() }}) as category_id,
        {{ parse_instant("tasks.scheduled_slots ->> 0") }} as starts_at,
        {{ uuid3('a_mart', 'tasks.task_id::text') }} as row_id
    from tasks
    {{ cross_join_local_dates('tasks.created_at', 'tasks.completed_at') }}
    where tasks.status <> 'cancelled'

)

select * from task_dates
"""
VIOLATIONS = [
    pytest.param("with tasks as (", "WITH tasks as (", "CP01", id="keywords in lower case"),
    pytest.param("touched.date,", "touched.DATE,", "CP02", id="names in lower case"),
    pytest.param("coalesce(", "COALESCE(", "CP03", id="functions in lower case"),
    pytest.param("        touched.date,", "    touched.date,", "LT02", id="four spaces"),
    pytest.param("tasks.task_id,\n        touched", "tasks.task_id\n        , touched", "LT04", id="trailing commas"),
    pytest.param("}}) as category_id", "}}) category_id", "AL02", id="explicit as"),
    pytest.param("    from tasks\n", "    from tasks t\n", "AL01", id="explicit as of tables"),
    pytest.param("<> 'cancelled'", "!= 'cancelled'", "CV01", id="<> for different"),
    pytest.param("tasks.status <> ", "status <> ", "RF02", id="columns named with their table"),
    pytest.param("select * from task_dates", "select task_id from task_dates", "CV13", id="select * from the last"),
    pytest.param("),\n\ntask_dates", "),\ntask_dates", "LT08", id="a blank line between CTEs"),
    pytest.param("        touched.date,", "        touched.date,  -- " + "x" * 100, "LT05", id="120 columns"),
    pytest.param("from tasks\n", "frm tasks\n", "PRS", id="parseable"),
    pytest.param("nil_uuid()", "nil_uid()", "TMP", id="macros that exist"),
]


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter(config=FluffConfig.from_path(str(REPOSITORY)))


def codes(linter: Linter, sql: str) -> set[str]:
    return {violation.rule_code() for violation in linter.lint_string(sql, fname="model.sql").violations}


def test_a_model_in_the_style_passes(linter: Linter) -> None:
    assert codes(linter, GOOD) == set()


@pytest.mark.parametrize(("right", "wrong", "code"), VIOLATIONS)
def test_a_model_out_of_the_style_fails(linter: Linter, right: str, wrong: str, code: str) -> None:
    assert GOOD.count(right) == 1
    assert code in codes(linter, GOOD.replace(right, wrong))


@pytest.mark.parametrize("path", CALLS, ids=lambda path: path.stem)
def test_the_text_of_a_macro_that_is_a_model_is_in_the_style(linter: Linter, path: Path) -> None:
    # Lines grow where the name of a mart takes the place of a parameter.
    assert codes(linter, text_of(path, MACROS)) <= {"LT05"}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_opens_with_its_grain(path: Path) -> None:
    lines = re.sub(r"\A\{\{ config\(.*?\) \}\}\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    assert re.match(r"-- One row\b", lines[0]), f"{path} opens with {lines[0]!r}, not with its grain"


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_ends_with_its_last_cte_or_is_one_select(path: Path) -> None:
    text = text_of(path, MACROS)
    if re.match(r"(--.*\n)+select\s", text):
        assert ONE_SELECT in text and " as (\n" not in text, f"{path} is one select: say why, and leave CTEs out"
        return
    last = re.findall(r"^(?:with )?(\w+) as (?:\{\{ computed_once\(\) \}\} )?\($", text, flags=re.MULTILINE)[-1]
    assert text.endswith(f"\n\nselect * from {last}\n")
