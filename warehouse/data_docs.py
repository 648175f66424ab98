"""Data Docs of Great Expectations: what its suites said of each mart's candidate, as pages to read.

Belongs here: keeping validation results, and pages made from them. Does not belong here: the validation
(``warehouse.expectations``).

A run only writes what was validated (milliseconds). Pages take a third of a second each, so they are made
while ``weir up`` serves, of what is newer than its page; or at once by

    python -m warehouse.data_docs HOME
"""

import html
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from warehouse.plan import Parameters

FOLDER = "data_docs"
LOOK_SECONDS = 5.0
"""How often new results are looked for while serving."""

_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Data Docs</title>
<style>body {{ font: 15px sans-serif; margin: 2em }} td, th {{ text-align: left; padding: .2em 1.2em .2em 0 }}
.failed {{ color: #b00020 }}</style>
<h1>Data Docs</h1>
<p>What Great Expectations said of each mart's candidate when it was last built. All of these checks block: a
mart of which one fails keeps its last good rows. The results of the other engines are in
<code>quality.check_results</code> and in <code>weir status</code>.</p>
<table><tr><th>mart<th>expectations<th>failed<th>as of<th>run</tr>
{rows}
</table></html>
"""


def index(home: Path) -> Path:
    """The page to begin with."""
    return home / FOLDER / "index.html"


def keeper(home: Path, parameters: Parameters) -> Callable[[str, Any], None]:
    """What writes a mart's validation result of a run down, in place of the one before."""

    def keep(mart: str, result: Any) -> None:
        _write(
            home / FOLDER / "results" / f"{mart}.json",
            json.dumps(
                {
                    "mart": mart,
                    "run_id": parameters.run_id,
                    "as_of": parameters.as_of.isoformat(),
                    "result": result.to_json_dict(),
                }
            ),
        )

    return keep


def is_stale(home: Path) -> bool:
    """Whether any result is newer than its page."""
    return bool(_stale(home))


def build(home: Path) -> int:
    """Make the pages of results that are newer than their pages, and the one that lists all.

    Returns:
        Number of pages made, without the list.
    """
    stale = _stale(home)
    for path in stale:
        _write(_page(path), _render(json.loads(path.read_text(encoding="utf-8"))["result"]))
    if stale or not index(home).exists():
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(_results(home))]
        _write(index(home), _PAGE.format(rows="\n".join(map(_row, found))))
    return len(stale)


def _results(home: Path) -> list[Path]:
    return list((home / FOLDER / "results").glob("*.json"))


def _page(result: Path) -> Path:
    return result.parents[1] / f"{result.stem}.html"


def _stale(home: Path) -> list[Path]:
    return [
        path
        for path in sorted(_results(home))
        if not _page(path).exists() or _page(path).stat().st_mtime_ns <= path.stat().st_mtime_ns
    ]


def _row(found: dict[str, Any]) -> str:
    results = found["result"]["results"]
    failed = sum(not each["success"] for each in results)
    cells = [f'<a href="{html.escape(found["mart"])}.html">{html.escape(found["mart"])}</a>', len(results), failed]
    cells += [html.escape(found[name]) for name in ("as_of", "run_id")]
    return f"<tr{' class=failed' if failed else ''}>" + "".join(f"<td>{cell}" for cell in cells)


def _render(result: dict[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        from great_expectations.core.expectation_validation_result import (
            ExpectationSuiteValidationResult,
            expectationSuiteValidationResultSchema,
        )
        from great_expectations.render.renderer import ValidationResultsPageRenderer
        from great_expectations.render.view import DefaultJinjaPageView

        loaded = expectationSuiteValidationResultSchema.load(result)
        if isinstance(loaded, dict):
            loaded = ExpectationSuiteValidationResult(**loaded)
        return str(DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(loaded)))


def _write(path: Path, text: str) -> None:
    """A file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as new:
        new.write(text)
    Path(new.name).replace(path)


def _serve(home: Path) -> None:
    while True:
        if is_stale(home):
            build(home)
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    if "--serve" in sys.argv[2:]:
        _serve(Path(sys.argv[1]))
    print(f"{build(Path(sys.argv[1]))} pages made; see {index(Path(sys.argv[1]))}")
