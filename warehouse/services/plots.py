"""Small plots and tables of forecasts in Markdown, for whoever looks at an asset.

Belongs here: drawing what is published. Does not belong here: what is drawn (``marts.kpi_forecasts``). SVG is
written by hand: a few lines are no reason for a plotting library.
"""

import base64
from collections.abc import Sequence

from warehouse.database import Connection

WIDTH, HEIGHT, MARGIN = 480, 120, 4

DAYS_BEFORE, DAYS_AHEAD = 90, 30

SERIES_SHOWN = 6
"""The largest ones; an asset's page is no dashboard."""


def forecasts(warehouse: Connection) -> str:
    """Latest days and forecast with its 95 % interval, of the largest series that have one."""
    chosen = warehouse.execute(
        "select service_name, metric_type, unit from marts.kpi_forecasts"
        " where granularity = 'day' and horizon = 1 and confidence_level = 0.95 and status = 'ok'"
        " order by abs(forecast) desc, service_name, metric_type, unit limit %s",
        (SERIES_SHOWN,),
    ).fetchall()
    pictures = []
    for service_name, metric_type, unit in chosen:
        key = {"service": service_name, "type": metric_type, "unit": unit, "before": DAYS_BEFORE, "ahead": DAYS_AHEAD}
        ahead = warehouse.execute(
            "select target_period - as_of_date, forecast, lower, upper from marts.kpi_forecasts"
            " where service_name = %(service)s and metric_type = %(type)s and unit = %(unit)s"
            " and granularity = 'day' and confidence_level = 0.95 and horizon <= %(ahead)s order by horizon",
            key,
        ).fetchall()
        before = warehouse.execute(
            "select date - as_of_date, sum(value_sum)::double precision from marts.kpi_daily"
            " cross join (select max(as_of_date) as as_of_date from marts.kpi_forecasts) as latest"
            " where service_name = %(service)s and metric_type = %(type)s and unit = %(unit)s"
            " and date >= as_of_date - %(before)s and date < as_of_date group by 1 order by 1",
            key,
        ).fetchall()
        name = " · ".join(_plain(str(part)) for part in (service_name, metric_type, unit) if part)
        pictures.append(f"**{name}**\n\n![{name}]({_picture(before, ahead)})")
    return "\n\n".join(pictures) or "No series has a forecast of its days."


def accuracy(warehouse: Connection) -> str:
    """Scores by granularity and model, as a table: medians over series, coverage over all values."""
    rows = warehouse.execute(
        "select granularity, model || case when is_chosen then ' (chosen)' else '' end, count(*),"
        " percentile_cont(0.5) within group (order by mase), percentile_cont(0.5) within group (order by smape),"
        " sum(interval_coverage * n) / nullif(sum(n) filter (where interval_coverage is not null), 0)"
        " from marts.kpi_forecast_accuracy group by 1, 2"
        " order by array_position(array['day', 'week', 'month', 'quarter', 'year'], granularity), 2"
    ).fetchall()
    lines = ["| granularity | model | series | MASE | sMAPE | inside 95 % |", "|---|---|---:|---:|---:|---:|"]
    for granularity, model, count, mase, smape, coverage in rows:
        numbers = [_number(mase, 2), _number(smape, 1), _number(coverage, 3)]
        lines.append(f"| {granularity} | {model} | {count} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def _number(value: object, places: int) -> str:
    return "" if value is None else f"{float(str(value)):.{places}f}"


def _plain(text: str) -> str:
    """Without what Markdown or SVG would read as its own."""
    return "".join(character for character in text if character.isalnum() or character in " _-.")


def _picture(before: Sequence[Sequence[object]], ahead: Sequence[Sequence[object]]) -> str:
    """A data URI: the days as a line, the interval as an area, the forecast as a line through it."""
    known = [(float(str(day)), float(str(value))) for day, value in before]
    expected = [(float(str(day)), float(str(value))) for day, value, _, _ in ahead]
    lower = [(float(str(day)), float(str(value))) for day, _, value, _ in ahead]
    upper = [(float(str(day)), float(str(value))) for day, _, _, value in ahead]
    values = [value for _, value in (*known, *lower, *upper)]
    low, high = min(values), max(values)
    first, last = -DAYS_BEFORE, DAYS_AHEAD

    def points(line: Sequence[tuple[float, float]]) -> str:
        return " ".join(
            f"{MARGIN + (x - first) / (last - first) * (WIDTH - 2 * MARGIN):.1f},"
            f"{HEIGHT - MARGIN - (y - low) / ((high - low) or 1) * (HEIGHT - 2 * MARGIN):.1f}"
            for x, y in line
        )

    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<polygon points="{points([*lower, *reversed(upper)])}" fill="#9ecae1" fill-opacity="0.5"/>'
        f'<polyline points="{points(known)}" fill="none" stroke="#636363"/>'
        f'<polyline points="{points(expected)}" fill="none" stroke="#08519c"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
