-- Weeks and months by hand, from the days that workflows.sql has made; :period is week or month.
create unlogged table by_hand.durations_:period as
with ranked as (
    select workflow_id, step_id, date_trunc(':period', date::timestamp)::date as :period, bucket, representative_seconds,
        sum(total_microseconds) as total,
        sum(sum(count)) over (partition by workflow_id, step_id, date_trunc(':period', date::timestamp) order by bucket)
            as ranks,
        sum(sum(count)) over (partition by workflow_id, step_id, date_trunc(':period', date::timestamp)) as n
    from by_hand.duration_histogram group by workflow_id, step_id, 3, date_trunc(':period', date::timestamp), bucket, 5
), ends as (
    select workflow_id, step_id, :period,
        (sum(total)::numeric(60, 30) / (max(n) * 1000000::numeric))::double precision as average,
        max(0.5::double precision * (n - 1)::double precision) as p50, max(0.95::double precision * (n - 1)::double precision) as p95,
        min(representative_seconds) filter (where ranks > floor(0.5::double precision * (n - 1)::double precision)) as p50_low,
        min(representative_seconds) filter (where ranks > ceil(0.5::double precision * (n - 1)::double precision)) as p50_high,
        min(representative_seconds) filter (where ranks > floor(0.95::double precision * (n - 1)::double precision)) as p95_low,
        min(representative_seconds) filter (where ranks > ceil(0.95::double precision * (n - 1)::double precision)) as p95_high
    from ranked group by 1, 2, 3
)
select workflow_id, step_id, :period, average, p50_low + (p50 - floor(p50)) * (p50_high - p50_low) as p50,
    p95_low + (p95 - floor(p95)) * (p95_high - p95_low) as p95
from ends;

create unlogged table by_hand.workflow_analytics_:periodly as
with summed as (
    select workflow_id, date_trunc(':period', date::timestamp)::date as :period,
        sum(enrolled_count)::bigint as enrolled_count, sum(completed_count)::bigint as completed_count,
        sum(failed_count)::bigint as failed_count, sum(exited_count)::bigint as exited_count,
        sum(goal_count)::bigint as goal_count,
        coalesce(max(active_count) filter (where date = least((date_trunc(':period', date::timestamp)
            + interval '1 :period')::date - 1, (select last_date from control.current_run))), 0) as active_count,
        sum(cohort_converted_count)::bigint as cohort_converted_count
    from by_hand.workflow_analytics group by 1, 2
), contacts as (
    select workflow_id, date_trunc(':period', enrolled_date::timestamp)::date as :period, count(distinct contact_id) as n
    from by_hand.executions group by 1, 2
)
select s.workflow_id, s.:period, enrolled_count, completed_count, failed_count, exited_count, goal_count, active_count,
    cohort_converted_count, round(cohort_converted_count::numeric / nullif(enrolled_count, 0), 4)::numeric(10, 4)
        as conversion_rate,
    coalesce(c.n, 0) as unique_contacts, d.average as avg_duration_seconds, d.p50 as p50_duration_seconds,
    d.p95 as p95_duration_seconds
from summed as s left join contacts as c on c.workflow_id = s.workflow_id and c.:period = s.:period
left join by_hand.durations_:period as d on d.workflow_id = s.workflow_id and d.:period = s.:period
    and d.step_id = '00000000-0000-0000-0000-000000000000';

create unlogged table by_hand.workflow_step_metrics_:periodly as
with summed as (
    select workflow_id, step_id, date_trunc(':period', date::timestamp)::date as :period, step_position, step_name,
        sum(enrolled_count)::bigint as enrolled_count, sum(entered_count)::bigint as entered_count,
        sum(skipped_count)::bigint as skipped_count, sum(completed_count)::bigint as completed_count,
        sum(failed_count)::bigint as failed_count, sum(dropped_count)::bigint as dropped_count,
        sum(open_count)::bigint as open_count, bool_and(is_mature) as is_mature
    from by_hand.workflow_step_metrics group by 1, 2, 3, 4, 5
), contacts as (
    select step_id, date_trunc(':period', enrolled_date::timestamp)::date as :period, count(distinct contact_id) as n
    from by_hand.visits where entry is not null group by 1, 2
)
select s.workflow_id, s.step_id, s.:period, step_position, step_name, enrolled_count, entered_count, skipped_count,
    completed_count, failed_count, dropped_count, open_count,
    round(entered_count::numeric / enrolled_count, 4)::numeric(10, 4) as conversion_from_start,
    round(entered_count::numeric / nullif(lag(entered_count + skipped_count, 1, enrolled_count) over (
        partition by s.workflow_id, s.:period order by step_position), 0), 4)::numeric(10, 4) as conversion_from_previous,
    is_mature, coalesce(c.n, 0) as unique_contacts, d.average as avg_seconds_in_step, d.p50 as p50_seconds_in_step,
    d.p95 as p95_seconds_in_step
from summed as s left join contacts as c on c.step_id = s.step_id and c.:period = s.:period
left join by_hand.durations_:period as d on d.step_id = s.step_id and d.:period = s.:period;
