-- The workflow marts by hand, from raw: what benchmarks/workflows.py holds the pipeline against. No quarantine, no
-- history, no checks; the funnel by one numbering of events and a walk over the steps.
create table by_hand.numbered as
select e.execution_id, s.step_number, e.step_id, e.event_type, e.occurred_at,
    row_number() over (partition by e.execution_id order by e.occurred_at, e.event_id) as place
from raw.workflows__workflow_events as e
inner join (
    select step_id, row_number() over (partition by workflow_id order by position) as step_number
    from raw.workflows__workflow_steps where deleted_at is null
) as s on s.step_id = e.step_id
where e.event_type like 'step%';
create table by_hand.visits as
with recursive places as materialized (
    select execution_id, step_number, array_agg(place) filter (where event_type = 'step_entered') as entries,
        array_agg(place) filter (where event_type = 'step_skipped') as skips
    from by_hand.numbered where event_type in ('step_entered', 'step_skipped') group by 1, 2
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
)
select w.execution_id, n.step_id, w.entry, min(n.occurred_at) filter (where n.place = w.entry) as entered_at,
    min(n.occurred_at) filter (where n.event_type = 'step_completed' and n.place > w.entry) as completed_at,
    bool_or(n.event_type = 'step_failed' and n.place > w.entry) as has_failed
from walk as w
inner join by_hand.numbered as n on n.execution_id = w.execution_id and n.step_number = w.step_number
group by 1, 2, 3;
create table by_hand.step_metrics as
select x.workflow_id, v.step_id, (x.enrolled_at at time zone 'UTC')::date as date, count(v.entry) as entered_count,
    count(*) filter (where v.entry is null) as skipped_count, count(v.completed_at) as completed_count,
    count(*) filter (where v.completed_at is null and v.has_failed) as failed_count,
    count(*) filter (where v.completed_at is null and not v.has_failed and x.ended_at is not null) as dropped_count,
    count(distinct x.contact_id) as contacts,
    percentile_cont(0.5) within group (order by extract(epoch from v.completed_at - v.entered_at)) as p50,
    percentile_cont(0.95) within group (order by extract(epoch from v.completed_at - v.entered_at)) as p95
from by_hand.visits as v inner join raw.workflows__workflow_executions as x on x.execution_id = v.execution_id
group by 1, 2, 3;
create table by_hand.action_metrics as
select workflow_id, step_id, (occurred_at at time zone 'UTC')::date as date, event_type, count(*) as events,
    avg(duration_ms) as average, percentile_cont(0.5) within group (order by duration_ms) as p50,
    percentile_cont(0.95) within group (order by duration_ms) as p95
from raw.workflows__workflow_events where event_type not like 'step%' group by 1, 2, 3, 4;
create table by_hand.executions as
select *, extract(epoch from ended_at - enrolled_at) as seconds from raw.workflows__workflow_executions;
create table by_hand.analytics as
select workflow_id, (enrolled_at at time zone 'UTC')::date as date, count(*) as enrolled_count
from by_hand.executions group by 1, 2;
create table by_hand.ended as
select workflow_id, (ended_at at time zone 'UTC')::date as date, status, count(*) as ended_count, avg(seconds) as average,
    percentile_cont(0.5) within group (order by seconds) as p50,
    percentile_cont(0.95) within group (order by seconds) as p95
from by_hand.executions where ended_at is not null group by 1, 2, 3;
create table by_hand.active as
select workflow_id, date, sum(sum(step)) over (partition by workflow_id order by date) as active_count
from (
    select workflow_id, (enrolled_at at time zone 'UTC')::date as date, 1 as step from by_hand.executions
    union all
    select workflow_id, (ended_at at time zone 'UTC')::date, -1 from by_hand.executions where ended_at is not null
) as borders
group by workflow_id, date;
