"""Two hand-made workflows whose few executions each show one rule, and what the marts must say of them.

"Trial upgrade" has a window of seven days and a goal step; "Membership welcome" has no window, a deleted
goal step and a gap in its positions. The numbers in `facts` were worked out on paper from the contract.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from warehouse.demo.facts import Fact, Value, witness_id
from warehouse.demo.period import AS_OF_MS
from warehouse.demo.sequencing import Extra
from warehouse.demo.text import Row

_CREATED = "2026-02-20T09:00:00Z"
_DELETED = "2026-05-20T09:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TRIAL, MEMBERS = witness_id("workflow", "trial upgrade"), witness_id("workflow", "membership welcome")

_STEPS = (
    (TRIAL, 1, "Trial started", "trigger", None, None),
    (TRIAL, 2, "Send tips", "action", "email", None),
    (TRIAL, 3, "Invited a teammate?", "condition", None, None),
    (TRIAL, 4, "Upgraded to paid", "goal", None, None),
    (TRIAL, 5, "Done", "end", None, None),
    (MEMBERS, 1, "Joined", "trigger", None, None),
    (MEMBERS, 2, "Welcome call", "action", "task", None),
    (MEMBERS, 3, "First event attended", "goal", None, _DELETED),
    (MEMBERS, 5, "Done", "end", None, None),
)

_LONG_NAMES = {
    "entered": "step_entered", "completed": "step_completed", "failed": "step_failed",
    "skipped": "step_skipped", "started": "action_started", "succeeded": "action_succeeded",
    "broke": "action_failed", "delivered": "message_delivered", "clicked": "message_clicked",
}  # fmt: skip


class _Execution(NamedTuple):
    """One execution. Times are seconds after enrolment; events read `seconds position type [duration ms]`."""

    name: str
    workflow: str
    enrolled: str
    status: str
    events: str
    ended: float | str | None = None
    goal: float | None = None
    contact: str = ""
    late_days: int = 0


_BEGIN = (
    "0 1 entered; 0 1 completed; 60 2 entered; 60 2 started; 62 2 succeeded 2000; 70 2 delivered; 120 2 completed; "
)
_ASKED = _BEGIN + "600 3 entered; 600 3 completed; "

_EXECUTIONS = (
    _Execution("a", TRIAL, "2026-04-01T08:00:00", "completed", _ASKED
               + "1200 4 entered; 86400 4 completed; 86400 5 entered; 86400 5 completed",
               86_400, 86_400, contact="anna"),
    # Exactly at the end of the window: converts, and the entry into step 5 counts.
    _Execution("b", TRIAL, "2026-04-01T09:00:00", "completed", _ASKED
               + "1200 4 entered; 604800 4 completed; 604800 5 entered; 604800 5 completed",
               604_800, 604_800),
    # A millisecond after it: neither. Its completion of step 4 counts, the window bounds entries only.
    _Execution("c", TRIAL, "2026-04-01T10:00:00", "completed", _ASKED
               + "518400 4 entered; 604800.001 4 completed; 604800.001 5 entered; 604800.001 5 completed",
               604_800.001, 604_800.001),
    _Execution("d", TRIAL, "2026-04-01T11:00:00", "completed", _BEGIN
               + "600 3 skipped; 1200 4 entered; 7200 4 completed; 7200 5 entered; 7200 5 completed",
               7_200, 7_200),
    _Execution("e", TRIAL, "2026-04-01T12:00:00", "failed",
               "0 1 entered; 0 1 completed; 60 2 entered; 60 2 started; 90 2 broke 30000; 90 2 failed", 90),
    _Execution("f", TRIAL, "2026-04-01T23:59:59.999", "active", _BEGIN + "600 3 entered"),
    # Steps 2 and 3 neither entered nor skipped: the funnel ends, the conversion stands.
    _Execution("g", TRIAL, "2026-04-02T00:00:00", "completed",
               "0 1 entered; 0 1 completed; 1200 4 entered; 1800 4 completed", 1_800, 1_800, contact="anna"),
    # Enters before it is enrolled, enters step 2 twice, ends at +infinity, which is: not.
    _Execution("h", TRIAL, "2026-04-02T12:00:00", "exited",
               "-1 1 entered; 0 1 completed; 60 2 entered; 60 2 started; 62 2 succeeded 2000; 100 2 entered; "
               "120 2 completed; 600 3 entered", "infinity"),
    # All of it arrives a month late; it enters step 4 after the window.
    _Execution("i", TRIAL, "2026-04-03T00:00:00", "exited", _ASKED
               + "700000 4 entered", 700_000, late_days=30),
    _Execution("j", MEMBERS, "2026-05-04T10:00:00", "completed",
               "0 1 entered; 0 1 completed; 10 2 entered; 60 2 completed; 60 3 entered; 60 3 completed; "
               "100 5 entered; 100 5 completed", 100),
    _Execution("k", MEMBERS, "2026-05-04T11:00:00", "completed",
               "0 1 entered; 0 1 completed; 10 2 entered; 250 2 completed; 300 5 entered; 300 5 completed",
               300),
    _Execution("l", MEMBERS, "2026-05-04T12:00:00", "exited",
               "0 1 entered; 0 1 completed; 10 2 entered", 200, 50),
    _Execution("m", MEMBERS, "2026-05-04T13:00:00", "failed", "0 1 entered; 10 1 failed", 10),
)  # fmt: skip


def execution_id(name: str) -> str:
    """The key of a hand-made execution."""
    return witness_id("execution", name)


def _step_id(workflow: str, position: int) -> str:
    return witness_id("step", workflow, str(position))


def workflow_rows() -> Iterator[Row]:
    """Rows of workflows.workflows."""
    yield (TRIAL, "Trial upgrade", "active", "604800", _CREATED, _CREATED, None)
    yield (MEMBERS, "Membership welcome", "active", None, _CREATED, _CREATED, None)


def step_rows() -> Iterator[Row]:
    """Rows of workflows.workflow_steps."""
    for workflow, position, name, kind, action, deleted in _STEPS:
        key = _step_id(workflow, position)
        yield (key, workflow, str(position), name, kind, action, deleted or _CREATED, deleted)


def _at(enrolled: str, seconds: float) -> datetime:
    start = datetime.fromisoformat(enrolled).replace(tzinfo=UTC)
    return start + timedelta(milliseconds=round(seconds * 1000))


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def execution_rows() -> Iterator[Row]:
    """Rows of workflows.workflow_executions."""
    for one in _EXECUTIONS:
        ended = one.ended if one.ended is None or isinstance(one.ended, str) else _text(_at(one.enrolled, one.ended))
        goal = None if one.goal is None else _text(_at(one.enrolled, one.goal))
        last = int(one.events.rpartition(";")[2].split()[1])
        yield (
            execution_id(one.name),
            one.workflow,
            witness_id("contact", one.contact or one.name),
            one.status,
            _text(_at(one.enrolled, 0)),
            ended,
            goal,
            _step_id(one.workflow, last),
            "2026-05-21T00:00:00Z",
        )


def events() -> Iterator[Extra]:
    """Rows of workflows.workflow_events without their ids."""
    for one in _EXECUTIONS:
        for event in one.events.split(";"):
            seconds, position, kind, *duration = event.split()
            occurred = _at(one.enrolled, float(seconds))
            recorded = occurred + timedelta(days=one.late_days, seconds=2)
            row = (
                execution_id(one.name),
                one.workflow,
                _step_id(one.workflow, int(position)),
                _LONG_NAMES[kind],
                _text(occurred),
                _text(recorded),
                duration[0] if duration else None,
                "{}",
            )
            yield (recorded - _EPOCH) // timedelta(milliseconds=1), row
    # Exactly a day ahead of the as-of instant is not yet "in the future".
    yield (
        AS_OF_MS,
        (
            execution_id("f"),
            TRIAL,
            _step_id(TRIAL, 2),
            "message_clicked",
            "2026-07-02T00:00:00Z",
            "2026-06-30T23:59:59Z",
            None,
            "{}",
        ),
    )


def _funnel(workflow: str, date: str, position: int, enrolled: int, counts: tuple[int, ...], **more: Value) -> Fact:
    names = (
        "entered_count",
        "skipped_count",
        "completed_count",
        "failed_count",
        "dropped_count",
        "open_count",
    )
    values: dict[str, Value] = dict(zip(names, counts, strict=True))
    values |= {"enrolled_count": enrolled, "step_position": position} | more
    key = {"workflow_id": workflow, "step_id": _step_id(workflow, position), "date": date}
    return Fact("workflow_step_metrics", key, values, "funnel")


def _funnels() -> Iterator[Fact]:
    trial = (TRIAL, "2026-04-01")
    yield _funnel(*trial, 1, 6, (6, 0, 6, 0, 0, 0), conversion_from_previous=Decimal("1.0000"), is_mature=False)
    yield _funnel(*trial, 2, 6, (6, 0, 5, 1, 0, 0), avg_seconds_in_step=60.0, p50_seconds_in_step=60.0)
    yield _funnel(*trial, 3, 6, (4, 1, 3, 0, 0, 1), conversion_from_previous=Decimal("0.6667"))
    yield _funnel(
        *trial,
        4,
        6,
        (4, 0, 4, 0, 0, 0),
        conversion_from_start=Decimal("0.6667"),
        conversion_from_previous=Decimal("0.8000"),
    )
    yield _funnel(*trial, 5, 6, (3, 0, 3, 0, 0, 0), conversion_from_start=Decimal("0.5000"))
    for position, counts in enumerate(((2, 0, 2, 0, 0, 0), (1, 0, 1, 0, 0, 0), (1, 0, 0, 0, 0, 1), (0,) * 6), 1):
        yield _funnel(TRIAL, "2026-04-02", position, 2, counts, is_mature=False)
    for position, counts in enumerate(((1, 0, 1, 0, 0, 0), (1, 0, 1, 0, 0, 0), (1, 0, 1, 0, 0, 0), (0,) * 6), 1):
        yield _funnel(TRIAL, "2026-04-03", position, 1, counts, is_mature=True)
    members = (MEMBERS, "2026-05-04")
    yield _funnel(*members, 1, 4, (4, 0, 3, 1, 0, 0), is_mature=True)
    yield _funnel(*members, 2, 4, (3, 0, 2, 0, 1, 0), avg_seconds_in_step=145.0, p50_seconds_in_step=145.0)
    yield _funnel(*members, 5, 4, (2, 0, 2, 0, 0, 0), conversion_from_previous=Decimal("0.6667"))
    gone = {"workflow_id": MEMBERS, "step_id": _step_id(MEMBERS, 3)}
    yield Fact("workflow_step_metrics", gone, None, "a deleted step counts nowhere")


def _day(workflow: str, date: str, **values: Value) -> Fact:
    return Fact("workflow_analytics", {"workflow_id": workflow, "date": date}, values, "workflow days")


def facts() -> Iterator[Fact]:
    """What the marts say of both workflows."""
    yield from _funnels()
    half = Decimal("0.5000")
    yield _day(
        TRIAL,
        "2026-04-01",
        enrolled_count=6,
        completed_count=1,
        failed_count=1,
        exited_count=0,
        goal_count=1,
        active_count=4,
        cohort_converted_count=3,
        conversion_rate=half,
        avg_duration_seconds=7200.0,
    )
    yield _day(
        TRIAL,
        "2026-04-02",
        enrolled_count=2,
        completed_count=2,
        failed_count=0,
        exited_count=0,
        goal_count=2,
        active_count=4,
        cohort_converted_count=1,
        conversion_rate=half,
        avg_duration_seconds=44100.0,
        p50_duration_seconds=44100.0,
    )
    yield _day(
        TRIAL,
        "2026-04-08",
        enrolled_count=0,
        completed_count=2,
        goal_count=2,
        active_count=3,
        conversion_rate=None,
    )
    yield _day(TRIAL, "2026-04-11", exited_count=1, active_count=2)
    yield _day(TRIAL, "2026-06-30", enrolled_count=0, completed_count=0, active_count=2)
    yield _day(TRIAL, "2026-07-02", enrolled_count=0, completed_count=0, active_count=2)
    yield _day(
        MEMBERS,
        "2026-05-04",
        enrolled_count=4,
        completed_count=2,
        failed_count=1,
        exited_count=1,
        goal_count=1,
        active_count=0,
        cohort_converted_count=2,
        conversion_rate=half,
        avg_duration_seconds=200.0,
        p50_duration_seconds=200.0,
        p95_duration_seconds=290.0,
    )
    before = {"workflow_id": TRIAL, "date": "2026-03-31"}
    yield Fact("workflow_analytics", before, None, "no row before the first enrolment")
    week: dict[str, Value] = {
        "enrolled_count": 9,
        "cohort_converted_count": 4,
        "unique_contacts": 8,
        "conversion_rate": Decimal("0.4444"),
    }
    yield Fact("workflow_analytics_weekly", {"workflow_id": TRIAL, "week": "2026-03-30"}, week, "weeks")

    for name, converts in zip("abcdefghijklm", "yynyn" + "nynn" + "yynn", strict=True):
        key = {"execution_id": execution_id(name)}
        yield Fact("workflow_executions", key, {"is_converted": converts == "y"}, "conversion, window and goal step")
    infinite: dict[str, Value] = {"ended_at": None, "duration_seconds": None}
    yield Fact("workflow_executions", {"execution_id": execution_id("h")}, infinite, "+infinity has not come")

    def actions(date: str, **values: Value) -> Fact:
        key = {"workflow_id": TRIAL, "step_id": _step_id(TRIAL, 2), "action_type": "email", "date": date}
        return Fact("workflow_action_metrics", key, values, "actions by day of the event")

    yield actions(
        "2026-04-01",
        attempted_count=5,
        succeeded_count=4,
        failed_count=1,
        delivered_count=4,
        success_rate=Decimal("0.8000"),
        avg_duration_ms=7600.0,
        p50_duration_ms=2000.0,
    )
    yield actions("2026-04-02", attempted_count=2, succeeded_count=2, delivered_count=1)
    yield actions("2026-07-02", attempted_count=0, clicked_count=1, success_rate=None)
