"""The asset graph: a snapshot that is reviewed in the diff, and definitions that load without I/O.

After a change on purpose: WEIR_TEST_WRITE_SNAPSHOT=1 pytest tests/unit/test_asset_graph.py
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

from orchestration.definitions import build_defs

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
