-- Daily KPIs by hand, from raw: the rows of marts.kpi_daily without quarantine, history, checks or ledger.
create table by_hand.kpi_daily as
with lasts as (
    select
        service_name,
        metric_type,
        coalesce(segment, '') as segment,
        coalesce(unit, '') as unit,
        (recorded_at at time zone 'UTC')::date as date,
        sum(round(value::text::numeric, 12)) as value_sum,
        count(*) as value_count,
        min(value) as value_min,
        max(value) as value_max,
        (max(array[(extract(epoch from recorded_at) * 1000000)::bigint, metric_id]))[2] as last_id
    from raw.services__metrics
    group by 1, 2, 3, 4, 5
)

select
    lasts.service_name,
    lasts.metric_type,
    lasts.segment,
    lasts.unit,
    lasts.date,
    lasts.value_sum::numeric(38, 12) as value_sum,
    lasts.value_count,
    round(lasts.value_sum / lasts.value_count, 6) as value_avg,
    lasts.value_min,
    lasts.value_max,
    metrics.value as value_last
from lasts
inner join raw.services__metrics as metrics
    on lasts.last_id = metrics.metric_id
