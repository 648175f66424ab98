-- Equations of the workflows application: measures recomputed from raw and from the quarantine, without the
-- facts and models that the candidate was built from. One row per mart, equation and partition of the run. (Not the
-- funnel beyond its first step, nor the durations in steps: these are held against the facts, and against each other by
-- dbt.) What the run has neither read nor built is as an earlier run has proven it.
with parameters as (

    select * from control.current_run

),

run_days as (

    select mart, partition_start as date
    from control.run_partitions cross join parameters
    where application = 'workflows' and partition_start <= last_date

),

judged as materialized (

    select
        e.execution_id, e.workflow_id, e.contact_id, e.status, q.reason, q.reason is null as is_used, e.enrolled_at, e.ended_at, e.goal_reached_at,
        w.conversion_window_seconds,
        (e.enrolled_at at time zone 'UTC')::date as enrolled_date,
        nullif((e.ended_at at time zone 'UTC')::date, 'infinity') as ended_date,
        nullif((e.goal_reached_at at time zone 'UTC')::date, 'infinity') as goal_date
    from raw.workflows__workflow_executions as e
    inner join raw.workflows__workflows as w on w.workflow_id = e.workflow_id and w.deleted_at is null
    left join (
        select row_key::uuid as execution_id, reason from quality.quarantine
        where source_table = 'workflows.workflow_executions' and released_at is null
    ) as q on q.execution_id = e.execution_id

),

executions as (

    -- Not "reason is null": of a column that is never null where it stands, the planner expects no row.
    select * from judged where is_used

),

measures as (

    select enrolled_date as date, 'enrolled' as equation, count(*) as expected from executions group by 1
    union all
    select ended_date, status, count(*) from executions where status <> 'active' group by ended_date, status
    union all
    select goal_date, 'goal', count(*) from executions group by goal_date

),

live_steps as (

    select s.step_id, s.workflow_id, s.position, coalesce(s.action_type, '') as action_type,
        s.position = min(s.position) over (partition by s.workflow_id) as is_first
    from raw.workflows__workflow_steps as s
    inner join raw.workflows__workflows as w on w.workflow_id = s.workflow_id and w.deleted_at is null
    where s.deleted_at is null

),

-- What the run has read: events of executions enrolled on its days, and of those whose facts are new.
executions_read as (

    select execution_id from intermediate.int_workflows__affected_event_logs
    union
    select execution_id from executions
    where enrolled_date in (select date from run_days where mart = 'workflow_step_metrics')

),

action_days as (

    select date from run_days where mart = 'workflow_action_metrics'

),

-- Why an event is left out, the first that holds: deleted, quarantined, of an execution that is quarantined.
events as not materialized (

    select
        e.event_id, e.execution_id, e.step_id, e.event_type, e.occurred_at,
        case
            when w.deleted_at is not null or s.deleted_at is not null then 'deleted'
            when q.reason is not null then q.reason
            when x.reason is not null then 'of_a_quarantined_execution'
        end as left_out
    from raw.workflows__workflow_events as e
    left join raw.workflows__workflows as w on w.workflow_id = e.workflow_id
    left join raw.workflows__workflow_steps as s on s.step_id = e.step_id
    left join judged as x on x.execution_id = e.execution_id and x.reason is not null
    left join (
        select row_key::bigint as event_id, reason from quality.quarantine
        where source_table = 'workflows.workflow_events' and released_at is null
    ) as q on q.event_id = e.event_id

),

events_counted as (

    select count(*) as event_count, count(e.left_out) as left_out_count
    from executions_read as r inner join events as e on e.execution_id = r.execution_id

),

events_used as (

    select count(*) as event_count
    from executions_read as r inner join intermediate.int_workflows__usable_events as u on u.execution_id = r.execution_id

),

-- From the first day through the last by instants, which compare faster than dates are made. (Coalesce, because of a
-- range that it does not know a planner expects a handful, and sorts.)
actions as (

    select (occurred_at at time zone 'UTC')::date as date, step_id, event_type, count(*) as event_count
    from events
    where event_type not like 'step%' and left_out is null
        and coalesce(
            occurred_at >= (select min(date)::timestamp at time zone 'UTC' from action_days)
            and occurred_at < (select (max(date) + 1)::timestamp at time zone 'UTC' from action_days),
            false
        )
    group by (occurred_at at time zone 'UTC')::date, step_id, event_type

),

actions_expected as (

    select date, event_type, sum(event_count) as expected from actions group by date, event_type

),

actions_observed as (

    select date, event_type, sum(observed) as observed
    from candidate.workflow_action_metrics
    cross join lateral (values
        ('action_started', attempted_count), ('action_succeeded', succeeded_count), ('action_failed', failed_count),
        ('message_delivered', delivered_count), ('message_opened', opened_count), ('message_clicked', clicked_count)
    ) as counted (event_type, observed)
    group by date, event_type

),

action_types as (

    select unnest(array[
        'action_started', 'action_succeeded', 'action_failed', 'message_delivered', 'message_opened', 'message_clicked'
    ]) as event_type

),

action_rows as (

    select date, count(distinct step_id) as expected from actions group by date

),

cohorts as (

    select e.enrolled_date as date, e.workflow_id, count(*) as enrolled_count
    from executions as e
    where e.enrolled_date in (select date from run_days where mart = 'workflow_step_metrics')
    group by e.enrolled_date, e.workflow_id

),

funnels_expected as (

    select c.date, count(*) as row_count, sum(c.enrolled_count) as enrolled_count
    from cohorts as c inner join live_steps as s on s.workflow_id = c.workflow_id
    group by c.date

),

-- The first step: any entry within the window counts.
first_entries as (

    select e.enrolled_date as date, count(distinct e.execution_id) as entered_count
    from executions_read as r
    inner join executions as e on e.execution_id = r.execution_id
    inner join events as v on v.execution_id = e.execution_id
    inner join live_steps as s on s.step_id = v.step_id and s.is_first
    where v.event_type = 'step_entered' and v.left_out is null
        and (
            e.conversion_window_seconds is null
            or extract(epoch from v.occurred_at - e.enrolled_at) <= e.conversion_window_seconds
        )
    group by e.enrolled_date

),

funnels_observed as (

    select
        m.date, count(*) as row_count, sum(m.enrolled_count) as enrolled_count,
        sum(m.entered_count) filter (where s.is_first) as entered_count, sum(m.completed_count) as completed_count
    from candidate.workflow_step_metrics as m
    left join live_steps as s on s.step_id = m.step_id
    group by m.date

),

durations as (

    select e.workflow_id, '00000000-0000-0000-0000-000000000000'::uuid as step_id, e.ended_date as date,
        (extract(epoch from e.ended_at - e.enrolled_at) * 1000000)::bigint as microseconds
    from executions as e
    where e.status = 'completed' and e.ended_date in (select date from run_days where mart = 'duration_histogram')
    union all
    select v.workflow_id, v.step_id, v.enrolled_date, v.microseconds_in_step
    from intermediate.int_workflows__step_visits as v
    where v.microseconds_in_step is not null
        and v.enrolled_date in (select date from run_days where mart = 'duration_histogram')

),

buckets_expected as (

    select workflow_id, step_id, date, count(*) as duration_count, sum(microseconds) as total_microseconds
    from durations
    group by workflow_id, step_id, date, width_bucket(
        microseconds - 1, (select array_agg(upper_microseconds order by bucket) from control.duration_buckets)
    )

),

durations_expected as (

    select date, sum(duration_count) as duration_count, sum(total_microseconds) as total_microseconds,
        count(*) as row_count
    from buckets_expected
    group by date

),

durations_observed as (

    select date, sum(count) as duration_count, sum(total_microseconds) as total_microseconds, count(*) as row_count
    from candidate.duration_histogram group by date

),

-- The weeks and months of the run, and the days that they are made of, as they will stand.
periods as (

    select
        d.mart, substring(d.mart from '^(.*)_') as of_mart, substring(d.mart from '[a-z]*$') as kind, d.date as period,
        case when d.mart like '%weekly' then d.date + 7 else (d.date + interval '1 month')::date end as after
    from run_days as d
    where d.mart like '%\_weekly' or d.mart like '%\_monthly'

),

rebuilt as (

    select mart, partition_start as date from control.run_partitions
    where application = 'workflows' and not is_held_back

),

standing_days as (

    select 'workflow_analytics' as mart, date, workflow_id, null::uuid as step_id,
        enrolled_count, completed_count, cohort_converted_count as third_count
    from candidate.workflow_analytics
    union all
    select 'workflow_step_metrics', date, workflow_id, step_id, enrolled_count, completed_count, entered_count
    from candidate.workflow_step_metrics

),

published_days as (

    select 'workflow_analytics' as mart, date, workflow_id, null::uuid as step_id,
        enrolled_count, completed_count, cohort_converted_count as third_count
    from marts.workflow_analytics
    where date >= (select min(periods.period) from periods) and date < (select max(periods.after) from periods)
    union all
    select 'workflow_step_metrics', date, workflow_id, step_id, enrolled_count, completed_count, entered_count
    from marts.workflow_step_metrics
    where date >= (select min(periods.period) from periods) and date < (select max(periods.after) from periods)

),

standing as (

    select s.* from standing_days as s inner join rebuilt as r on r.mart = s.mart and r.date = s.date
    union all
    select p.* from published_days as p
    where not exists (select from rebuilt as r where r.mart = p.mart and r.date = p.date)

),

periods_expected as (

    select
        p.mart, p.period, count(distinct (s.workflow_id, s.step_id)) filter (where s.mart is not null) as row_count,
        coalesce(sum(s.enrolled_count), 0) as enrolled_count, coalesce(sum(s.completed_count), 0) as completed_count,
        coalesce(sum(s.third_count), 0) as third_count
    from periods as p
    left join (
        select standing.*, kinds.kind, kinds.period from standing cross join lateral (values
            ('weekly', date_trunc('week', date::timestamp)::date), ('monthly', date_trunc('month', date::timestamp)::date)
        ) as kinds (kind, period)
    ) as s on s.mart = p.of_mart and s.kind = p.kind and s.period = p.period
    group by p.mart, p.period

),

periods_observed as (

    select 'workflow_analytics_weekly' as mart, week as period, count(*) as row_count,
        sum(enrolled_count) as enrolled_count, sum(completed_count) as completed_count,
        sum(cohort_converted_count) as third_count, sum(unique_contacts) as unique_contacts
    from candidate.workflow_analytics_weekly group by week
    union all
    select 'workflow_analytics_monthly', month, count(*), sum(enrolled_count), sum(completed_count),
        sum(cohort_converted_count), sum(unique_contacts)
    from candidate.workflow_analytics_monthly group by month
    union all
    select 'workflow_step_metrics_weekly', week, count(*), sum(enrolled_count), sum(completed_count),
        sum(entered_count), sum(unique_contacts)
    from candidate.workflow_step_metrics_weekly group by week
    union all
    select 'workflow_step_metrics_monthly', month, count(*), sum(enrolled_count), sum(completed_count),
        sum(entered_count), sum(unique_contacts)
    from candidate.workflow_step_metrics_monthly group by month

),

standing_contacts as (

    select enrolled_date as date, workflow_id, contact_id from candidate.workflow_executions
    where enrolled_date in (select r.date from rebuilt as r where r.mart = 'workflow_executions')
    union all
    select enrolled_date, workflow_id, contact_id from marts.workflow_executions
    where enrolled_date >= (select min(periods.period) from periods)
        and enrolled_date < (select max(periods.after) from periods)
        and not exists (
            select from rebuilt as r where r.mart = 'workflow_executions' and r.date = workflow_executions.enrolled_date
        )

),

contacts as (

    select 'workflow_analytics' as mart, date, workflow_id as id, contact_id from standing_contacts
    union all
    select 'workflow_step_metrics', enrolled_date, step_id, contact_id
    from intermediate.int_workflows__step_visits
    where outcome <> 'skipped' and enrolled_date >= (select min(periods.period) from periods)
        and enrolled_date < (select max(periods.after) from periods)

),

contacts_of_periods as (

    select mart || '_weekly' as mart, date_trunc('week', date::timestamp)::date as period, id, contact_id
    from contacts
    union
    select mart || '_monthly', date_trunc('month', date::timestamp)::date, id, contact_id
    from contacts

),

contacts_expected as (

    select mart, period, count(*) as unique_contacts from contacts_of_periods group by mart, period

),

periods_compared as (

    select
        e.mart, e.period, coalesce(o.row_count, 0) as row_count, e.row_count as expected_row_count,
        coalesce(o.enrolled_count, 0) as enrolled_count, e.enrolled_count as expected_enrolled_count,
        coalesce(o.completed_count, 0) as completed_count, e.completed_count as expected_completed_count,
        coalesce(o.third_count, 0) as third_count, e.third_count as expected_third_count,
        coalesce(o.unique_contacts, 0) as unique_contacts, coalesce(c.unique_contacts, 0) as expected_unique_contacts
    from periods_expected as e
    left join periods_observed as o on o.mart = e.mart and o.period = e.period
    left join contacts_expected as c on c.mart = e.mart and c.period = e.period

),

candidates as (

    select c.mart, c.date, counted.equation, sum(counted.observed) as observed
    from (
        select 'workflow_analytics' as mart, date,
            enrolled_count, completed_count, failed_count, exited_count, goal_count
        from candidate.workflow_analytics
        union all
        select 'workflow_analytics_hourly', (hour at time zone 'UTC')::date,
            enrolled_count, completed_count, failed_count, exited_count, goal_count
        from candidate.workflow_analytics_hourly
    ) as c
    cross join lateral (values
        ('enrolled', c.enrolled_count), ('completed', c.completed_count), ('failed', c.failed_count),
        ('exited', c.exited_count), ('goal', c.goal_count)
    ) as counted (equation, observed)
    group by c.mart, c.date, counted.equation

),

hours as (

    select workflow_id, enrolled_date as date, date_trunc('hour', enrolled_at, 'UTC') as hour from executions
    where enrolled_date in (select date from run_days where mart = 'workflow_analytics_hourly')
    union
    select workflow_id, ended_date, date_trunc('hour', ended_at, 'UTC') from executions
    where status <> 'active' and ended_date in (select date from run_days where mart = 'workflow_analytics_hourly')
    union
    select workflow_id, goal_date, date_trunc('hour', goal_reached_at, 'UTC') from executions
    where goal_date in (select date from run_days where mart = 'workflow_analytics_hourly')

),

equations as (

    select unnest(array['enrolled', 'completed', 'failed', 'exited', 'goal']) as equation

),

-- Workflow and day where anything happened or anything was active.
workflow_days as (

    select workflow_id, enrolled_date as date from executions
    where enrolled_date in (select date from run_days where mart = 'workflow_analytics')
    union
    select workflow_id, ended_date from executions
    where status <> 'active' and ended_date in (select date from run_days where mart = 'workflow_analytics')
    union
    select workflow_id, goal_date from executions
    where goal_date in (select date from run_days where mart = 'workflow_analytics')
    union
    -- More enrolled through the day than ended: places among the sorted dates.
    select a.workflow_id, d.date
    from (
        select workflow_id, array_agg(enrolled_date order by enrolled_date) as enrolled_dates,
            array_agg(ended_date order by ended_date) filter (where ended_date is not null) as ended_dates
        from executions group by workflow_id
    ) as a
    inner join run_days as d on d.mart = 'workflow_analytics'
    where width_bucket(d.date, a.enrolled_dates) > coalesce(width_bucket(d.date, a.ended_dates), 0)

),

active_expected as (

    select
        d.date,
        (select count(*) from executions as e where e.enrolled_date <= d.date)
        - (select count(*) from executions as e where e.ended_date <= d.date) as expected
    from (select date from run_days where mart = 'workflow_analytics' order by date desc limit 1) as d

)

select
    d.mart, q.equation, d.date as partition_start,
    coalesce(c.observed, 0)::numeric as observed, coalesce(m.expected, 0)::numeric as expected
from run_days as d
cross join equations as q
left join measures as m on m.date = d.date and m.equation = q.equation
left join candidates as c on c.mart = d.mart and c.date = d.date and c.equation = q.equation
where d.mart in ('workflow_analytics', 'workflow_analytics_hourly')
union all
-- Of the last day of the run: the running sum ends at what a plain count gives.
select
    'workflow_analytics', 'active', a.date,
    (select coalesce(sum(w.active_count), 0) from candidate.workflow_analytics as w where w.date = a.date), a.expected
from active_expected as a
union all
select
    'workflow_executions', 'row_count', d.date,
    coalesce(c.observed, 0), coalesce(m.expected, 0)
from run_days as d
left join (
    select enrolled_date as date, count(*) as observed from candidate.workflow_executions group by enrolled_date
) as c on c.date = d.date
left join measures as m on m.date = d.date and m.equation = 'enrolled'
where d.mart = 'workflow_executions'
union all
select
    'workflow_analytics', 'row_count', d.date, coalesce(c.observed, 0), coalesce(m.expected, 0)
from run_days as d
left join (
    select date, count(*) as observed from candidate.workflow_analytics group by date
) as c on c.date = d.date
left join (
    select date, count(*) as expected from workflow_days group by date
) as m on m.date = d.date
where d.mart = 'workflow_analytics'
union all
select
    null, 'executions_read_equal_used_and_left_out', null,
    (select count(*) from judged), (select count(*) from intermediate.int_workflows__executions)
union all
select 'dim_workflow', 'row_count', null, (select count(*) from candidate.dim_workflow), (select count(*) from raw.workflows__workflows)
union all
select 'dim_workflow_step', 'row_count', null, (select count(*) from candidate.dim_workflow_step), (select count(*) from raw.workflows__workflow_steps)
union all
select
    'workflow_analytics_hourly', 'row_count', d.date, coalesce(c.observed, 0), coalesce(m.expected, 0)
from run_days as d
left join (
    select (hour at time zone 'UTC')::date as date, count(*) as observed
    from candidate.workflow_analytics_hourly group by 1
) as c on c.date = d.date
left join (
    select date, count(*) as expected from hours group by date
) as m on m.date = d.date
where d.mart = 'workflow_analytics_hourly'
union all
select
    null, 'events_read_equal_used_and_left_out', null,
    (select event_count from events_counted),
    (select event_count from events_used) + (select left_out_count from events_counted)
union all
select 'workflow_action_metrics', t.event_type, d.date, coalesce(o.observed, 0), coalesce(e.expected, 0)
from run_days as d
cross join action_types as t
left join actions_observed as o on o.date = d.date and o.event_type = t.event_type
left join actions_expected as e on e.date = d.date and e.event_type = t.event_type
where d.mart = 'workflow_action_metrics'
union all
select 'workflow_action_metrics', 'row_count', d.date, coalesce(o.observed, 0), coalesce(e.expected, 0)
from run_days as d
left join (
    select date, count(*) as observed from candidate.workflow_action_metrics group by date
) as o on o.date = d.date
left join action_rows as e on e.date = d.date
where d.mart = 'workflow_action_metrics'
union all
select 'workflow_step_metrics', q.equation, d.date, q.observed, q.expected
from run_days as d
left join funnels_observed as o on o.date = d.date
left join funnels_expected as e on e.date = d.date
left join first_entries as f on f.date = d.date
cross join lateral (values
    ('row_count', coalesce(o.row_count, 0), coalesce(e.row_count, 0)),
    ('enrolled', coalesce(o.enrolled_count, 0), coalesce(e.enrolled_count, 0)),
    ('entered_the_first_step', coalesce(o.entered_count, 0), coalesce(f.entered_count, 0))
) as q (equation, observed, expected)
where d.mart = 'workflow_step_metrics'
union all
select 'duration_histogram', q.equation, d.date, q.observed, q.expected
from run_days as d
left join durations_observed as o on o.date = d.date
left join durations_expected as e on e.date = d.date
cross join lateral (values
    ('row_count', coalesce(o.row_count, 0), coalesce(e.row_count, 0)),
    ('count', coalesce(o.duration_count, 0), coalesce(e.duration_count, 0)),
    ('total_microseconds', coalesce(o.total_microseconds, 0), coalesce(e.total_microseconds, 0))
) as q (equation, observed, expected)
where d.mart = 'duration_histogram'
union all
select p.mart, q.equation, p.period, q.observed, q.expected
from periods_compared as p
cross join lateral (values
    ('row_count', p.row_count, p.expected_row_count),
    ('enrolled', p.enrolled_count, p.expected_enrolled_count),
    ('completed', p.completed_count, p.expected_completed_count),
    (
        case when p.mart like 'workflow\_step%' then 'entered' else 'converted' end,
        p.third_count, p.expected_third_count
    ),
    ('unique_contacts', p.unique_contacts, p.expected_unique_contacts)
) as q (equation, observed, expected)
