-- The workflow marts by hand, from raw: what benchmarks/workflows.py holds the pipeline against, row by row. No
-- quarantine, no history, no checks: of a log without dirt. Recomputed whole, in an order in which nothing is read twice.
create unlogged table by_hand.executions as
select x.*, (enrolled_at at time zone 'UTC')::date as enrolled_date, (ended_at at time zone 'UTC')::date as ended_date,
    (goal_reached_at at time zone 'UTC')::date as goal_date,
    ((extract(epoch from ended_at) - extract(epoch from enrolled_at)) * 1000000)::bigint as microseconds,
    coalesce(case when g.workflow_id is not null then goal_reached_at
        when x.status = 'completed' and conversion_window_seconds is null then enrolled_at
        when x.status = 'completed' then ended_at end
        <= coalesce(enrolled_at + conversion_window_seconds * interval '1 second', 'infinity'), false) as is_converted
from raw.workflows__workflow_executions as x
inner join raw.workflows__workflows as w on w.workflow_id = x.workflow_id and w.deleted_at is null
left join (
    select distinct workflow_id from raw.workflows__workflow_steps where step_type = 'goal' and deleted_at is null
) as g on g.workflow_id = x.workflow_id;
analyze by_hand.executions;

create unlogged table by_hand.steps as
select *, row_number() over (partition by workflow_id order by position) as step_number
from raw.workflows__workflow_steps where deleted_at is null;
analyze by_hand.steps;

create unlogged table by_hand.numbered as
select v.execution_id, s.step_number, v.step_id, v.event_type, v.occurred_at,
    row_number() over (partition by v.execution_id order by v.occurred_at, v.event_id) as place
from raw.workflows__workflow_events as v inner join by_hand.steps as s on s.step_id = v.step_id
where v.event_type like 'step%';
analyze by_hand.numbered;

create unlogged table by_hand.visits as
with recursive places as materialized (
    select n.execution_id, n.step_number, array_agg(n.place) filter (where n.event_type = 'step_entered') as entries,
        array_agg(n.place) filter (where n.event_type = 'step_skipped') as skips
    from by_hand.numbered as n
    inner join by_hand.executions as x on x.execution_id = n.execution_id
    inner join raw.workflows__workflows as w on w.workflow_id = x.workflow_id
    where n.event_type = 'step_skipped' or n.event_type = 'step_entered'
        and (w.conversion_window_seconds is null
            or n.occurred_at <= x.enrolled_at + w.conversion_window_seconds * interval '1 second')
    group by 1, 2
), walk as (
    select execution_id, step_number, (select min(x) from unnest(entries) as x) as entry,
        coalesce((select min(x) from unnest(entries) as x), 0) as base
    from places where step_number = 1
    union all
    select p.execution_id, p.step_number, (select min(x) from unnest(p.entries) as x where x > w.base),
        coalesce((select min(x) from unnest(p.entries) as x where x > w.base), w.base)
    from walk as w inner join places as p on p.execution_id = w.execution_id and p.step_number = w.step_number + 1
    where (select min(x) from unnest(p.entries) as x where x > w.base) is not null
        or (select min(x) from unnest(p.skips) as x where x > w.base) is not null
), passed as (
    select w.execution_id, n.step_id, w.entry, min(n.occurred_at) filter (where n.place = w.entry) as entered_at,
        min(n.occurred_at) filter (where n.event_type = 'step_completed' and n.place > w.entry) as completed_at,
        bool_or(n.event_type = 'step_failed' and n.place > w.entry) as has_failed
    from walk as w
    inner join by_hand.numbered as n on n.execution_id = w.execution_id and n.step_number = w.step_number
    group by 1, 2, 3
)
select p.*, x.workflow_id, x.contact_id, x.enrolled_date, x.ended_at,
    ((extract(epoch from completed_at) - extract(epoch from entered_at)) * 1000000)::bigint as microseconds
from passed as p inner join by_hand.executions as x on x.execution_id = p.execution_id;
analyze by_hand.visits;

create unlogged table by_hand.workflow_executions as
select execution_id, workflow_id, contact_id, status, enrolled_at, enrolled_date, ended_at, goal_reached_at, is_converted,
    current_step_id, microseconds::double precision / 1e6 as duration_seconds
from by_hand.executions;

create unlogged table by_hand.workflow_analytics as
with days as (
    select workflow_id, d::date as date
    from (select workflow_id, min(least(enrolled_date, goal_date)) as first from by_hand.executions group by 1) as w
    cross join control.current_run as r cross join generate_series(w.first::timestamp, r.last_date, interval '1 day') as d
), enrolled as (
    select workflow_id, enrolled_date as date, count(*) as n, count(*) filter (where is_converted) as converted
    from by_hand.executions group by 1, 2
), ended as (
    select workflow_id, ended_date as date, count(*) as n, count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed, count(*) filter (where status = 'exited') as exited,
        (sum(microseconds) filter (where status = 'completed'))::numeric(60, 30)
            / nullif(count(*) filter (where status = 'completed') * 1000000::numeric, 0) as average,
        percentile_cont(0.5) within group (order by microseconds::double precision / 1e6)
            filter (where status = 'completed') as p50,
        percentile_cont(0.95) within group (order by microseconds::double precision / 1e6)
            filter (where status = 'completed') as p95
    from by_hand.executions where ended_date is not null group by 1, 2
), goals as (
    select workflow_id, goal_date as date, count(*) as n from by_hand.executions where goal_date is not null group by 1, 2
), counted as (
    select workflow_id, date, coalesce(e.n, 0) as enrolled_count, coalesce(completed, 0) as completed_count,
        coalesce(failed, 0) as failed_count, coalesce(exited, 0) as exited_count, coalesce(g.n, 0) as goal_count,
        sum(coalesce(e.n, 0) - coalesce(x.n, 0)) over (partition by workflow_id order by date)::bigint as active_count,
        coalesce(converted, 0) as cohort_converted_count,
        round(converted::numeric / nullif(e.n, 0), 4)::numeric(10, 4) as conversion_rate,
        average::double precision as avg_duration_seconds, p50 as p50_duration_seconds, p95 as p95_duration_seconds
    from days left join enrolled as e using (workflow_id, date) left join ended as x using (workflow_id, date)
    left join goals as g using (workflow_id, date)
)
select * from counted
where enrolled_count + completed_count + failed_count + exited_count + goal_count + active_count > 0;

create unlogged table by_hand.workflow_analytics_hourly as
select workflow_id, hour, count(*) filter (where what = 'enrolled') as enrolled_count,
    count(*) filter (where what = 'completed') as completed_count, count(*) filter (where what = 'failed') as failed_count,
    count(*) filter (where what = 'exited') as exited_count, count(*) filter (where what = 'goal') as goal_count
from (
    select workflow_id, date_trunc('hour', enrolled_at, 'UTC') as hour, 'enrolled' as what from by_hand.executions
    union all
    select workflow_id, date_trunc('hour', ended_at, 'UTC'), status from by_hand.executions
    where ended_at is not null and status <> 'active'
    union all
    select workflow_id, date_trunc('hour', goal_reached_at, 'UTC'), 'goal' from by_hand.executions
    where goal_reached_at is not null
) as happenings
group by 1, 2;

create unlogged table by_hand.workflow_step_metrics as
with cohorts as (
    select workflow_id, enrolled_date as date, count(*) as enrolled_count, count(ended_at) = count(*) as is_mature
    from by_hand.executions group by 1, 2
), passed as (
    select step_id, enrolled_date as date, count(entry) as entered_count, count(*) - count(entry) as skipped_count,
        count(completed_at) as completed_count,
        count(*) filter (where entry is not null and completed_at is null and has_failed) as failed_count,
        count(*) filter (where entry is not null and completed_at is null and not has_failed and ended_at is not null)
            as dropped_count,
        count(*) filter (where entry is not null and completed_at is null and not has_failed and ended_at is null)
            as open_count,
        (sum(microseconds)::numeric(60, 30) / nullif(count(microseconds) * 1000000::numeric, 0))::double precision
            as avg_seconds_in_step,
        percentile_cont(0.5) within group (order by microseconds::double precision / 1e6) as p50_seconds_in_step,
        percentile_cont(0.95) within group (order by microseconds::double precision / 1e6) as p95_seconds_in_step
    from by_hand.visits group by 1, 2
)
select c.workflow_id, s.step_id, c.date, s.position as step_position, s.name as step_name, c.enrolled_count,
    coalesce(entered_count, 0) as entered_count, coalesce(skipped_count, 0) as skipped_count,
    coalesce(completed_count, 0) as completed_count, coalesce(failed_count, 0) as failed_count,
    coalesce(dropped_count, 0) as dropped_count, coalesce(open_count, 0) as open_count,
    round(coalesce(entered_count, 0)::numeric / c.enrolled_count, 4)::numeric(10, 4) as conversion_from_start,
    round(coalesce(entered_count, 0)::numeric / nullif(lag(coalesce(entered_count, 0) + coalesce(skipped_count, 0), 1,
        c.enrolled_count) over (partition by c.workflow_id, c.date order by s.position), 0), 4)::numeric(10, 4)
        as conversion_from_previous,
    c.is_mature, avg_seconds_in_step, p50_seconds_in_step, p95_seconds_in_step
from cohorts as c inner join by_hand.steps as s on s.workflow_id = c.workflow_id
left join passed as p on p.step_id = s.step_id and p.date = c.date;

create unlogged table by_hand.workflow_action_metrics as
select v.workflow_id, v.step_id, coalesce(s.action_type, '') as action_type,
    (v.occurred_at at time zone 'UTC')::date as date, count(*) filter (where event_type = 'action_started') as attempted_count,
    count(*) filter (where event_type = 'action_succeeded') as succeeded_count,
    count(*) filter (where event_type = 'action_failed') as failed_count,
    count(*) filter (where event_type = 'message_delivered') as delivered_count,
    count(*) filter (where event_type = 'message_opened') as opened_count,
    count(*) filter (where event_type = 'message_clicked') as clicked_count,
    round((count(*) filter (where event_type = 'action_succeeded'))::numeric / nullif(count(*) filter (
        where event_type in ('action_succeeded', 'action_failed')), 0), 4)::numeric(10, 4) as success_rate,
    ((sum(duration_ms) filter (where event_type in ('action_succeeded', 'action_failed')))::numeric(60, 30) / nullif(
        count(duration_ms) filter (where event_type in ('action_succeeded', 'action_failed')), 0))::double precision
        as avg_duration_ms,
    percentile_cont(0.5) within group (order by duration_ms::double precision)
        filter (where event_type in ('action_succeeded', 'action_failed')) as p50_duration_ms,
    percentile_cont(0.95) within group (order by duration_ms::double precision)
        filter (where event_type in ('action_succeeded', 'action_failed')) as p95_duration_ms
from raw.workflows__workflow_events as v inner join by_hand.steps as s on s.step_id = v.step_id
where event_type not like 'step%'
group by 1, 2, 3, 4;

create unlogged table by_hand.duration_histogram as
with buckets as materialized (
    select array_agg(lower_microseconds order by bucket) as lowers from control.duration_buckets
), counted as (
    select workflow_id, step_id, date, width_bucket(microseconds, (table buckets)) - 1 as bucket, count(*) as count,
        sum(microseconds)::numeric(38, 0) as total_microseconds
    from (
        select workflow_id, '00000000-0000-0000-0000-000000000000'::uuid as step_id, ended_date as date, microseconds
        from by_hand.executions where status = 'completed' and ended_date is not null
        union all
        select workflow_id, step_id, enrolled_date, microseconds from by_hand.visits where microseconds is not null
    ) as durations
    group by 1, 2, 3, 4
)
select workflow_id, step_id, date, bucket, upper_microseconds::double precision / 1e6 as bucket_upper_seconds,
    ((lower_microseconds::numeric + upper_microseconds) / 2)::double precision / 1e6 as representative_seconds,
    count, total_microseconds
from counted inner join control.duration_buckets using (bucket);
