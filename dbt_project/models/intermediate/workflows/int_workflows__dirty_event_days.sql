-- One row per mart, partition and source table that changes of events and of steps have touched since the last
-- plan: what was counted before is set against what is counted now, and only days with a difference are dirty.
with visit_changes as (

    select * from {{ fact_changes('int_workflows__step_visits') }}
    where {{ facts_batch('workflows') }} >= 0

),

action_changes as (

    select * from {{ fact_changes('int_workflows__action_events') }}
    where {{ facts_batch('workflows') }} >= 0

),

step_changes as (

    select * from {{ fact_changes('int_workflows__steps') }}
    where {{ facts_batch('workflows') }} >= 0

),

executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

affected as (

    select * from {{ ref('int_workflows__affected_event_logs') }}

),

affected_steps as (

    select * from {{ ref('int_workflows__affected_steps') }}

),

visits_changed as (

    select
        'workflow_step_metrics' as mart,
        execution_id,
        enrolled_date as date
    from visit_changes
    group by execution_id, workflow_id, step_id, enrolled_date, outcome, microseconds_in_step
    having sum(_sign) <> 0
    union all
    select
        'duration_histogram' as mart,
        execution_id,
        enrolled_date as date
    from visit_changes
    where microseconds_in_step is not null
    group by execution_id, workflow_id, step_id, enrolled_date, microseconds_in_step
    having sum(_sign) <> 0
    union all
    -- Whose visit it is shows in weeks and months only.
    select
        'workflow_step_metrics_weekly' as mart,
        execution_id,
        {{ week_of('enrolled_date') }} as date
    from visit_changes
    where outcome <> 'skipped'
    group by execution_id, workflow_id, step_id, {{ week_of('enrolled_date') }}, contact_id
    having sum(_sign) <> 0
    union all
    select
        'workflow_step_metrics_monthly' as mart,
        execution_id,
        {{ month_of('enrolled_date') }} as date
    from visit_changes
    where outcome <> 'skipped'
    group by execution_id, workflow_id, step_id, {{ month_of('enrolled_date') }}, contact_id
    having sum(_sign) <> 0
    union all
    select
        'workflow_action_metrics' as mart,
        execution_id,
        date
    from action_changes
    group by execution_id, event_id, workflow_id, step_id, action_type, date, event_type, duration_ms
    having sum(_sign) <> 0

),

-- Grouped first and counted then, both by hashing: count(distinct …) would sort them.
executions_changed as (

    select
        mart,
        date,
        execution_id
    from visits_changed
    group by mart, date, execution_id

),

days_of_visits as (

    select
        executions_changed.mart,
        executions_changed.date,
        coalesce(affected.source_table, 'workflows.workflow_events') as source_table,
        count(*) as row_count
    from executions_changed
    left join affected
        on executions_changed.execution_id = affected.execution_id
    group by
        executions_changed.mart,
        executions_changed.date,
        coalesce(affected.source_table, 'workflows.workflow_events')

),

-- A step that comes, goes, moves or changes its name shows on every day with an enrolment.
workflows_changed as (

    select
        step_changes.workflow_id,
        coalesce(affected_steps.source_table, 'workflows.workflow_steps') as source_table,
        count(distinct step_changes.step_id) as row_count
    from step_changes
    left join affected_steps
        on step_changes.step_id = affected_steps.step_id
    group by step_changes.workflow_id, coalesce(affected_steps.source_table, 'workflows.workflow_steps')

),

days_of_steps as (

    select
        'workflow_step_metrics' as mart,
        executions.enrolled_date as date,
        workflows_changed.source_table,
        max(workflows_changed.row_count) as row_count
    from executions
    inner join workflows_changed
        on executions.workflow_id = workflows_changed.workflow_id
    group by executions.enrolled_date, workflows_changed.source_table

),

dirty as (

    select mart, date, source_table, row_count from days_of_visits
    union all
    select mart, date, source_table, row_count from days_of_steps

),

summed as (

    select
        mart,
        date as partition_start,
        source_table,
        max(row_count)::bigint as row_count
    from dirty
    group by mart, date, source_table

)

select * from summed
