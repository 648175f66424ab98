"""Publication under readers: whole states and no waiting, and tables that do not grow with every publication.

Belongs here: what ``make hammer`` does at length, in short. Does not belong here: what readers may see.
"""

from tests.hammer import AS_OF, BEGINNING, Area, hammer, publish_whole
from tests.support import Lab
from warehouse import publish
from warehouse.catalog import APPLICATIONS, CALENDAR
from warehouse.database import Connection
from warehouse.plan import Parameters

ROUND = len((*APPLICATIONS, CALENDAR))


def test_readers_see_whole_states_and_never_wait(lab: Lab) -> None:
    lab.write(*BEGINNING)
    refresh = lab.run(AS_OF, gate_open=True)
    seen = hammer(lab, refresh, 10 * ROUND, cursor_seconds=3)
    assert seen.wrong == []
    assert set(seen.looks) == {"statement", "transaction", "cursor"}
    assert len(seen.versions) > 3  # they looked while it happened

    # Readers who would not notice prove nothing.
    def mart_by_mart(runner: Connection, parameters: Parameters, area: Area) -> None:
        for name in area.marks:
            publish.publish(runner, parameters, area.plan.only({name}))

    assert hammer(lab, refresh, 50 * ROUND, 0.1, mart_by_mart).wrong != []

    def behind_a_lock(runner: Connection, parameters: Parameters, area: Area) -> None:
        with lab.warehouse.transaction():
            lab.warehouse.execute("lock table marts.dim_user, marts.dim_date in access exclusive mode")
            lab.warehouse.execute("select pg_sleep(0.05)")
        publish_whole(runner, parameters, area)

    assert any("lock timeout" in each for each in hammer(lab, refresh, 50 * ROUND, 0.1, behind_a_lock).wrong)
