"""Alerts of KPI goals on their way out: what is to be sent, the channels, and the memory of what was.

Belongs here: which published alerts no channel has taken, and handing them over. Does not belong here: when an
alert fires (``marts.kpi_goal_snapshots``) and how often anybody looks (``orchestration.sensors``).

One alert is never sent twice over a channel: each goal has one row per channel in ``control.sent_alerts``, for
good, and before an attempt that row says ``sending``, committed. An attempt that failed for certain is made
again when the sensor looks next. One of which nobody can know (the process died, an answer did not come in
time) is not: it is ``unknown`` and shown by ``weir status``.
"""

import datetime as dt
import json
import logging
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Protocol

from warehouse.database import Connection, fetch_row

ANSWER_SECONDS = 10.0
"""How long a webhook may take."""


class NotSentError(Exception):
    """The channel has certainly not taken the alert; it may be tried again."""


class UnknownError(Exception):
    """The channel may have taken the alert."""


@dataclass(frozen=True)
class Alert:
    """A KPI goal that has reached its threshold. ``alert_id`` is the same in every attempt."""

    alert_id: uuid.UUID
    goal_id: uuid.UUID
    name: str
    date: dt.date
    progress_percentage: float
    alert_threshold: float
    current_value: float
    target_value: float
    unit: str

    @property
    def text(self) -> str:
        """One line for people."""
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"KPI goal {self.name!r} reached {self.progress_percentage:g} % on {self.date} "
            f"({self.current_value:,.12g} of {self.target_value:,.12g}{unit}; alert at {self.alert_threshold:g} %)"
        )


class Channel(Protocol):
    """Where alerts go. ``name`` is what it is remembered by."""

    name: str

    def send(self, alert: Alert) -> None:
        """Hand an alert over.

        Raises:
            NotSentError: it was certainly not taken.
            UnknownError: it may have been.
        """


class LogChannel:
    """The log of the process, or whatever takes a line."""

    name = "log"

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or logging.getLogger("weir.alerts").warning

    def send(self, alert: Alert) -> None:
        """Write a line."""
        self._say(alert.text)


class WebhookChannel:
    """A URL that alerts are posted to as JSON; header ``Idempotency-Key`` is the alert's id."""

    name = "webhook"

    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._seconds = answer_seconds

    def send(self, alert: Alert) -> None:
        """Post; any answer of 200 to 299 means that it was taken."""
        body = {**{key: _json(value) for key, value in vars(alert).items()}, "text": alert.text}
        request = urllib.request.Request(
            self._url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": str(alert.alert_id)},
            method="POST",
        )
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=self._seconds):
                return
        except urllib.error.HTTPError as error:
            with error:
                raise NotSentError(f"answered {error.code}") from None
        except urllib.error.URLError as error:
            # Nothing was sent yet: the name is not known, or nobody listens.
            if isinstance(error.reason, OSError) and not isinstance(
                error.reason, TimeoutError | ConnectionResetError | BrokenPipeError
            ):
                raise NotSentError(f"cannot be reached ({error.reason})") from None
            raise UnknownError(f"did not answer ({error.reason})") from None
        except (TimeoutError, HTTPException, OSError) as error:
            raise UnknownError(f"did not answer ({error or type(error).__name__})") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without a body."""

    def redirect_request(self, *arguments: object) -> None:
        return None


def send_pending(warehouse: Connection, channels: Sequence[Channel]) -> tuple[int, int]:
    """Hand every published alert to every channel that has not had it, once: the next call tries again.

    Only alerts of goals that are not cancelled. Two processes may call this at once: a session lock lets one
    do it, the other finds nothing to do.

    Returns:
        Number of alerts sent, and of those that are still on their way or unknown.
    """
    (ours,) = fetch_row(warehouse, "select pg_try_advisory_lock(hashtext('weir.alerts'))")
    if not ours:
        return 0, 0
    try:
        with warehouse.transaction():
            # Whoever was sending is dead: we have the lock.
            warehouse.execute(
                "update control.sent_alerts set state = 'unknown', last_error = 'ended while sending'"
                " where state = 'sending'"
            )
            for channel in channels:
                warehouse.execute(
                    "insert into control.sent_alerts (goal_id, channel, date)"
                    " select goal_id, %s, date from marts.kpi_goal_snapshots where alert and status <> 'cancelled'"
                    " on conflict do nothing",
                    (channel.name,),
                )
        sent = sum(
            _send(warehouse, channel, alert) for channel in channels for alert in _pending(warehouse, channel.name)
        )
        (left,) = fetch_row(
            warehouse,
            "select count(*) from control.sent_alerts where state <> 'sent' and channel = any (%s)",
            ([channel.name for channel in channels],),
        )
        return sent, int(str(left))
    finally:
        warehouse.execute("select pg_advisory_unlock(hashtext('weir.alerts'))")


def _pending(warehouse: Connection, channel: str) -> list[Alert]:
    # A late value can move the day or take the alert back: what has not been sent says what stands now.
    rows = warehouse.execute(
        """
        select g.goal_id, g.name, s.date, s.progress_percentage::double precision, g.alert_threshold,
            s.current_value::double precision, s.target_value, coalesce(g.unit, '')
        from control.sent_alerts as a
        inner join marts.kpi_goal_snapshots as s on s.goal_id = a.goal_id and s.alert
        inner join marts.dim_kpi_goal as g on g.goal_id = a.goal_id
        where a.channel = %s and a.state = 'pending' and s.status <> 'cancelled'
        order by s.date, g.goal_id
        """,
        (channel,),
    ).fetchall()
    return [Alert(uuid.uuid5(uuid.NAMESPACE_URL, f"weir:alert/{row[0]}"), *row) for row in rows]  # type: ignore[arg-type]


def _send(warehouse: Connection, channel: Channel, alert: Alert) -> bool:
    _note(warehouse, channel, alert, "sending", None)
    try:
        channel.send(alert)
    except NotSentError as error:
        _note(warehouse, channel, alert, "pending", str(error))
    except UnknownError as error:
        _note(warehouse, channel, alert, "unknown", str(error))
    else:
        _note(warehouse, channel, alert, "sent", None)
        return True
    return False


def _note(warehouse: Connection, channel: Channel, alert: Alert, state: str, error: str | None) -> None:
    warehouse.execute(
        "update control.sent_alerts set state = %(state)s, last_error = %(error)s, date = %(date)s,"
        " attempts = attempts + (%(state)s = 'sending')::integer,"
        " sent_at = case when %(state)s = 'sent' then now() end"
        " where goal_id = %(goal)s and channel = %(channel)s",
        {"state": state, "error": error, "date": alert.date, "goal": alert.goal_id, "channel": channel.name},
    )


def _json(value: object) -> object:
    return value if isinstance(value, int | float | str) else str(value)
