"""The demo's fixed calendar and how its size follows from the scale.

Belongs here: the as-of instant, the first day, counts of things per scale. Nothing here reads a clock.
Does not belong here: what the things look like.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
"""The demo's "now": build its marts with this as-of instant. Plans and a few defects lie after it."""

FIRST_DAY = date(2026, 3, 1)
"""A Sunday. Usable data lie from here (in each user's own zone) on."""

DAYS = (AS_OF.date() - FIRST_DAY).days
SMALLEST_SCALE = 0.05

EPOCH_DAY = date(1970, 1, 1)
FIRST_EPOCH_DAY = (FIRST_DAY - EPOCH_DAY).days
DAY_SECONDS = 86_400
DAY_MS = 86_400_000
FIRST_MS = FIRST_EPOCH_DAY * DAY_MS
AS_OF_MS = FIRST_MS + DAYS * DAY_MS


def day_text(day: int) -> str:
    """ISO date of the demo's day number `day`; 0 is FIRST_DAY."""
    return (FIRST_DAY + timedelta(days=day)).isoformat()


@dataclass(frozen=True)
class Size:
    """How many of everything there is at one scale; raises ValueError outside 0.05 … 1000.

    Below 0.05 the dirt, of which there is at least one of each kind, would come near the 5 % at which
    an application is blocked.
    """

    scale: float

    def __post_init__(self) -> None:
        """Refuse a scale that the demo is not made for."""
        if not SMALLEST_SCALE <= self.scale <= 1000:
            raise ValueError(f"scale must be between {SMALLEST_SCALE} and 1000, not {self.scale}")

    @property
    def users(self) -> int:
        """Generated users, without the witnesses."""
        return max(16, round(200 * self.scale))

    @property
    def executions(self) -> int:
        """Generated workflow executions, without witnesses and dirt; each has about fourteen events."""
        return max(240, round(3_550 * self.scale))

    @property
    def dirt(self) -> int:
        """How often each kind of planted defect occurs."""
        return max(1, round(self.scale))

    def segments(self, at_scale_one: int) -> int:
        """How many segments a metric has that has `at_scale_one` of them at scale 1.

        Of a business a hundred times as large, ten times as many; each of them then reports ten times as often
        (`reports`). Correlations are of all pairs of series.
        """
        return max(1, round(at_scale_one * min(self.scale, math.sqrt(self.scale))))

    @property
    def reports(self) -> int:
        """How often a series reports where it reports once at scale 1."""
        return max(1, round(math.sqrt(self.scale)))
