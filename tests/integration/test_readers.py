"""Publication under readers: whole states and no waiting, and tables that do not grow with every publication.

Belongs here: what ``make hammer`` does at length, in short. Does not belong here: what readers may see.
"""

from tests.hammer import hammer
from tests.support import Lab
from warehouse.catalog import APPLICATIONS, CALENDAR


def test_readers_see_whole_states_and_never_wait(lab: Lab) -> None:
    seen = hammer(lab, publications=10 * len((*APPLICATIONS, CALENDAR)), cursor_seconds=3)
    assert seen.wrong == []
    assert set(seen.looks) == {"statement", "transaction", "cursor"}
    assert len(seen.versions) > 3  # they looked while it happened
