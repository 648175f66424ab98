-- Equations of the workflows application: measures recomputed from raw and from the quarantine, without the
-- facts and models that the candidate was built from. One row per mart, equation and day.
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
        e.execution_id, e.workflow_id, e.status, q.reason,
        (e.enrolled_at at time zone 'UTC')::date as enrolled_date,
        nullif((e.ended_at at time zone 'UTC')::date, 'infinity') as ended_date,
        nullif((e.goal_reached_at at time zone 'UTC')::date, 'infinity') as goal_date
    from raw.workflows__workflow_executions as e
    inner join raw.workflows__workflows as w on w.workflow_id = e.workflow_id and w.deleted_at is null
    left join quality.quarantine as q
        on q.source_table = 'workflows.workflow_executions' and q.row_key = e.execution_id::text
        and q.released_at is null

),

executions as (

    select * from judged where reason is null

),

measures as (

    select enrolled_date as date, 'enrolled' as equation, count(*) as expected from executions group by 1
    union all
    select ended_date, status, count(*) from executions where status <> 'active' group by ended_date, status
    union all
    select goal_date, 'goal', count(*) from executions group by goal_date

),

candidates as (

    select date, 'enrolled' as equation, sum(enrolled_count) as observed from candidate.workflow_analytics group by date
    union all
    select date, 'completed', sum(completed_count) from candidate.workflow_analytics group by date
    union all
    select date, 'failed', sum(failed_count) from candidate.workflow_analytics group by date
    union all
    select date, 'exited', sum(exited_count) from candidate.workflow_analytics group by date
    union all
    select date, 'goal', sum(goal_count) from candidate.workflow_analytics group by date

),

equations as (

    select unnest(array['enrolled', 'completed', 'failed', 'exited', 'goal']) as equation

),

-- Workflow and day where anything happened or anything was active.
workflow_days as (

    select workflow_id, enrolled_date as date from executions
    union
    select workflow_id, ended_date from executions where status <> 'active' and ended_date is not null
    union
    select workflow_id, goal_date from executions where goal_date is not null
    union
    select distinct a.workflow_id, d.date
    from (
        select distinct workflow_id, enrolled_date, coalesce(ended_date, 'infinity') as ended_date from executions
    ) as a
    inner join run_days as d
        on d.mart = 'workflow_analytics' and d.date >= a.enrolled_date and d.date < a.ended_date

),

active_expected as (

    select
        d.date,
        (select count(*) from executions as e where e.enrolled_date <= d.date)
        - (select count(*) from executions as e where e.ended_date <= d.date) as expected
    from (select date from run_days where mart = 'workflow_analytics' order by date desc limit 1) as d

)

select
    'workflow_analytics' as mart, q.equation, d.date as partition_start,
    coalesce(c.observed, 0)::numeric as observed, coalesce(m.expected, 0)::numeric as expected
from run_days as d
cross join equations as q
left join measures as m on m.date = d.date and m.equation = q.equation
left join candidates as c on c.date = d.date and c.equation = q.equation
where d.mart = 'workflow_analytics'
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
