"""How a contact walks through a workflow: the simulation behind executions and their events.

Pure arithmetic on blocks of executions: everything about execution i follows from i, so the table of
executions and the table of events are made one after the other without keeping either. What would
happen after the demo's as-of instant has not happened: such executions are still active.
"""

from dataclasses import dataclass, field

import numpy as np

from warehouse.demo import workflow_names
from warehouse.demo.period import AS_OF_MS, DAY_MS, DAYS, FIRST_MS, Size
from warehouse.demo.randomness import Bools, Floats, Ints, Stream
from warehouse.demo.sequencing import Records

MOST_STEPS = 8
ENTERED, COMPLETED, FAILED, SKIPPED = range(4)
STARTED, SUCCEEDED, ACTION_FAILED, DELIVERED, OPENED, CLICKED = range(4, 10)
ACTIVE, DONE, BROKEN, EXITED = range(4)
_KINDS = ("trigger", "email", "sms", "webhook", "task", "condition", "delay", "goal", "end")
_TRIGGER, _EMAIL, _SMS, _WEBHOOK, _TASK, _CONDITION, _DELAY, _GOAL, _END = range(9)

EVENT = np.dtype([
    ("key", "i8"), ("execution", "i8"), ("step", "i8"), ("type", "i8"),
    ("occurred", "i8"), ("recorded", "i8"), ("duration", "i8"), ("payload", "i8"),
])  # fmt: skip
"""Instants in milliseconds since 1970; step: workflow number × MOST_STEPS + place; duration −1: none."""

STEP_COUNT = np.array([len(w.steps) for w in workflow_names.WORKFLOWS], dtype=np.int64)
STEP_KIND = np.array([
    [_KINDS.index(step.partition(":")[0]) for step in w.steps] + [_END] * (MOST_STEPS - len(w.steps))
    for w in workflow_names.WORKFLOWS
], dtype=np.int64)  # fmt: skip
_SHARES = np.array([n for n, w in enumerate(workflow_names.WORKFLOWS) for _ in range(w.share)], dtype=np.int64)
_PAUSED = next(n for n, w in enumerate(workflow_names.WORKFLOWS) if w.status == "paused")
_PAUSED_FROM = FIRST_MS + 50 * DAY_MS

# Shares by kind:    trigger email sms  webhook task  cond. delay goal  end
_SKIPPED = np.array([0.00, 0.02, 0.03, 0.02, 0.05, 0.08, 0.03, 0.00, 0.00])
_DROPPED = np.array([0.01, 0.04, 0.05, 0.01, 0.10, 0.12, 0.07, 0.38, 0.00])
_STALLED = np.array([0.00, 0.01, 0.01, 0.01, 0.04, 0.01, 0.01, 0.06, 0.00])
_MINUTE, _HOUR = 60_000, 3_600_000
_DWELL_MS = np.array([0, 4_000, 1_500, 900, 5 * _HOUR, 400, 30 * _HOUR, 14 * _HOUR, 0], dtype=np.int64)
_ACTION_MS = np.array([0, 850, 320, 210, 45 * _MINUTE, 0, 0, 0, 0], dtype=np.int64)
_IS_ACTION = _ACTION_MS > 0

_HOUR_WEIGHTS = (2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 14, 15, 17, 17, 15, 13, 11, 10, 9, 8, 6, 3)
_DAY_WEIGHTS = (5, 11, 12, 12, 11, 10, 6)  # from Sunday, the period's first day


def _cumulative_hours() -> Floats:
    """Enrolments up to each hour of the period, in arbitrary units; they grow by a third over it."""
    weights = [hour * _DAY_WEIGHTS[day % 7] * (300 + day) for day in range(DAYS) for hour in _HOUR_WEIGHTS]
    return np.concatenate([[0], np.cumsum(np.array(weights, dtype=np.int64))]).astype(np.float64)


_HOURS = _cumulative_hours()


def enrolled_at(i: Ints, size: Size) -> Ints:
    """When executions are enrolled (ms); rises with i."""
    place = (i + Stream("enrolment").uniform(i)) * (float(_HOURS[-1]) / size.executions)
    hour = np.clip(np.searchsorted(_HOURS, place, side="right") - 1, 0, DAYS * 24 - 1)
    within = (place - _HOURS[hour]) / (_HOURS[hour + 1] - _HOURS[hour])
    return FIRST_MS + hour * _HOUR + np.minimum((within * _HOUR).astype(np.int64), _HOUR - 1)


def workflow_of(i: Ints, enrolled: Ints) -> Ints:
    """Which workflow (its number) executions are of."""
    chosen = Stream("workflow").pick(i, _SHARES)
    return np.where((chosen == _PAUSED) & (enrolled >= _PAUSED_FROM), 0, chosen)


@dataclass
class Journeys:
    """A block of executions as they stand at the as-of instant; instants in ms, −1: none."""

    execution: Ints
    workflow: Ints
    enrolled: Ints
    status: Ints
    ended: Ints
    goal: Ints
    step: Ints
    _events: list[tuple[Ints, Ints, int, Ints, Ints, int | Ints]] = field(default_factory=list)

    def _log(
        self,
        rows: Ints,
        place: int,
        kind: int,
        at: Ints,
        mask: Bools,
        duration: Ints | None = None,
        payload: int | Ints = 0,
    ) -> None:
        durations = np.full(len(rows), -1, dtype=np.int64) if duration is None else duration
        kept = mask & (at < AS_OF_MS)
        told = payload if isinstance(payload, int) else payload[kept]
        step = self.workflow[rows[kept]] * MOST_STEPS + place
        self._events.append((rows[kept], step, kind, at[kept], durations[kept], told))

    def events(self) -> Records:
        """Everything that happened; only an execution's events of one instant are in order."""
        sizes = [len(rows) for rows, *_ in self._events]
        out = np.empty(sum(sizes), dtype=EVENT)
        ends = np.cumsum(sizes)
        for end, length, (rows, step, kind, at, duration, payload) in zip(ends, sizes, self._events, strict=True):
            part = out[end - length : end]
            part["execution"], part["step"], part["type"] = self.execution[rows], step, kind
            part["occurred"], part["duration"], part["payload"] = at, duration, payload
        # Lags are the execution's own, so that its events keep their order; only late ones lose it.
        execution, occurred = out["execution"], out["occurred"]
        recorded = occurred + 40 + Stream("record lag").below(execution, 3_000)
        nth = (execution * MOST_STEPS + out["step"] % MOST_STEPS) * 16 + out["type"]
        late = Stream("late").chance(nth, 0.004)
        recorded += np.where(late, 2 * DAY_MS + Stream("late by").below(nth, 38 * 86_400) * 1000, 0)
        out["recorded"] = np.minimum(recorded, AS_OF_MS - 1)
        out["key"] = out["recorded"] + Stream("commit lag").below(execution, 2_000)
        return out

    def walk(self, place: int, alive: Bools, clock: Ints) -> None:
        """Everyone who is alive and has such a step lives through step number `place`."""
        rows = np.flatnonzero(alive & (STEP_COUNT[self.workflow] > place))
        at = self.execution[rows] * MOST_STEPS + place
        kind = STEP_KIND[self.workflow[rows], place]
        now = clock[rows]
        skips = Stream("step skipped").chance(at, _SKIPPED[kind])
        enters = ~skips
        self._log(rows, place, SKIPPED, now, skips, payload=6)
        self._log(rows, place, ENTERED, now, enters)
        self.step[rows] = np.where(now < AS_OF_MS, place, self.step[rows])

        tied = Stream("tied").chance(at, 0.12)
        dwell = Stream("dwell").heavy(at, _DWELL_MS[kind].astype(np.float64)).astype(np.int64)
        done = now + np.where(tied, 0, dwell)
        action = _IS_ACTION[kind] & enters
        breaks = action & Stream("action fails").chance(at, 0.03)
        retried = breaks & Stream("retried").chance(at, 0.6)
        done = self._act(rows, place, at, kind, now, done, action, breaks, retried)
        again = enters & ~action & Stream("entered again").chance(at, 0.015)
        self._log(rows, place, ENTERED, now + (done - now) // 2, again)

        failed = breaks & ~retried
        fate = Stream("fate").uniform(at)
        dropped = enters & ~failed & (fate < _DROPPED[kind])
        stalled = enters & ~failed & ~dropped & (fate < _DROPPED[kind] + _STALLED[kind])
        passed = enters & ~failed & ~dropped & ~stalled
        self._log(rows, place, FAILED, done, failed, payload=4)
        self._log(rows, place, COMPLETED, done, passed)

        leaves = done + Stream("leaves").heavy(at, 20.0 * _HOUR).astype(np.int64)
        self.goal[rows] = np.where(passed & (kind == _GOAL), done, self.goal[rows])
        self.ended[rows] = np.where(failed, done, np.where(dropped, leaves, self.ended[rows]))
        self.status[rows] = np.where(failed, BROKEN, np.where(dropped, EXITED, self.status[rows]))
        gap = np.where(Stream("no gap").chance(at, 0.3), 0, Stream("gap").heavy(at, 900.0).astype(np.int64))
        clock[rows] = np.where(skips, now, done) + gap
        alive[rows] = skips | passed

    def _act(
        self,
        rows: Ints,
        place: int,
        at: Ints,
        kind: Ints,
        now: Ints,
        done: Ints,
        action: Bools,
        breaks: Bools,
        retried: Bools,
    ) -> Ints:
        """Actions and messages of a step; returns when the step is over."""
        took = 1 + Stream("action takes").heavy(at, _ACTION_MS[kind].astype(np.float64)).astype(np.int64)
        begun = now + Stream("action begins").below(at, 400) * (kind != _WEBHOOK)
        over = begun + took
        self._log(rows, place, STARTED, begun, action, payload=3)
        self._log(rows, place, ACTION_FAILED, over, breaks, took, payload=4)
        self._log(rows, place, ENTERED, over + 5_000, retried, payload=5)
        self._log(rows, place, STARTED, over + 5_000, retried, payload=5)
        over = np.where(retried, over + 5_000 + took, over)
        self._log(rows, place, SUCCEEDED, over, action & (~breaks | retried), took)
        message = action & ((kind == _EMAIL) | (kind == _SMS)) & (~breaks | retried)
        channel = np.where(kind == _EMAIL, 1, 2)
        delivered = message & Stream("delivered").chance(at, 0.97)
        arrives = over + Stream("arrives").heavy(at, 2_500.0).astype(np.int64)
        opened = delivered & (kind == _EMAIL) & Stream("opened").chance(at, 0.48)
        opens = arrives + Stream("opens").heavy(at, 3.0 * _HOUR).astype(np.int64)
        clicked = opened & Stream("clicked").chance(at, 0.24)
        clicks = opens + Stream("clicks").heavy(at, 25_000.0).astype(np.int64)
        self._log(rows, place, DELIVERED, arrives, delivered, payload=channel)
        self._log(rows, place, OPENED, opens, opened, payload=channel)
        self._log(rows, place, CLICKED, clicks, clicked, payload=7)
        return np.where(action, np.maximum(done, over), done)


def simulate(low: int, high: int, size: Size) -> Journeys:
    """Executions low … high − 1 from enrolment to the as-of instant."""
    i = np.arange(low, high, dtype=np.int64)
    enrolled = enrolled_at(i, size)
    none = np.full(len(i), -1, dtype=np.int64)
    status = np.zeros(len(i), dtype=np.int64)
    journeys = Journeys(i, workflow_of(i, enrolled), enrolled, status, none.copy(), none.copy(), none.copy())
    alive = np.ones(len(i), dtype=np.bool_)
    skewed = Stream("clock skew").chance(i, 0.02)  # some first events seem older than the enrolment
    clock = enrolled + np.where(skewed, -1_500, Stream("first event").below(i, 200))
    for place in range(MOST_STEPS):
        journeys.walk(place, alive, clock)
    journeys.status = np.where(alive, DONE, journeys.status)
    ended = np.where(alive, clock, journeys.ended)
    journeys.ended = np.where(ended >= 0, np.maximum(ended, enrolled), ended)
    journeys.status = np.where(journeys.ended >= AS_OF_MS, ACTIVE, journeys.status)
    journeys.ended = np.where(journeys.status == ACTIVE, -1, journeys.ended)
    journeys.goal = np.where(journeys.goal >= AS_OF_MS, -1, journeys.goal)
    return journeys
