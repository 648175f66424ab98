"""The asset graph: a snapshot that is reviewed in the diff, and definitions that load without I/O.

After a change on purpose: WEIR_TEST_WRITE_SNAPSHOT=1 pytest tests/unit/test_asset_graph.py
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import dagster as dg
from dagster._core.execution.api import create_execution_plan  # public by no other way

from assets.refresh import RESOURCE
from orchestration.definitions import build_defs
from orchestration.jobs import OF_OTHER_GRAIN
from warehouse.catalog import APPLICATIONS, CALENDAR

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")
REPOSITORY = Path(__file__).parents[2]


def graph() -> str:
    """A line per asset (key, group, what it depends on) and per check, sorted."""
    asset_graph = build_defs().resolve_asset_graph()
    lines = []
    for key in asset_graph.get_all_asset_keys():
        node = asset_graph.get(key)
        parents = " ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        lines.append(f"{key.to_user_string()} [{node.group_name}] <- {parents}".rstrip())
    lines += [f"{key.asset_key.to_user_string()} checked by {key.name}" for key in asset_graph.asset_check_keys]
    return "\n".join(sorted(lines)) + "\n"


def test_the_graph_is_the_one_that_was_reviewed() -> None:
    if os.environ.get("WEIR_TEST_WRITE_SNAPSHOT"):
        SNAPSHOT.write_text(graph(), encoding="utf-8")
    assert graph() == SNAPSHOT.read_text(encoding="utf-8")


def test_loading_definitions_reads_no_settings_and_opens_no_connection() -> None:
    with mock.patch.object(socket.socket, "connect", side_effect=AssertionError("connected")):
        build_defs()
    heavy = "{'dbt.cli.main', 'great_expectations'}"
    code = f"import orchestration.definitions, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    environment = {**os.environ, "WEIR_HOME": "/nowhere/at/all", "WEIR_WAREHOUSE_URL": "not a url"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, env=environment, check=True)


def test_no_step_waits_for_two() -> None:
    """Dagster never ends a run whose last step waits for one that was not executed and for one that yielded nothing."""
    defs = build_defs(resources={RESOURCE: dg.ResourceDefinition.hardcoded_resource(None)})
    everything = defs.resolve_implicit_global_asset_job_def()
    keys = everything.asset_layer.executable_asset_keys - {*OF_OTHER_GRAIN}  # those are never in one run with days
    for areas in ((*APPLICATIONS, CALENDAR), *((name, CALENDAR) for name in APPLICATIONS), APPLICATIONS):
        for job in (everything, defs.resolve_job_def("refresh")):
            part = job.get_subset(asset_selection={key for key in keys if key.path[1] in areas})
            waits = create_execution_plan(part).get_executable_step_deps()
            assert len(waits) >= 3 * len(set(areas) - {CALENDAR})
            assert {step: of for step, of in waits.items() if len(of) > 1} == {}
