{{ config(
    materialized='fact',
    key='execution_id',
    affected='int_workflows__affected_executions',
    indexed_by=['enrolled_at'],
) }}
-- One row per execution of a workflow that is not deleted: its latest state, whether it converts, and the
-- reason why it cannot be used. Dates are UTC.
with affected as (

    select * from {{ ref('int_workflows__affected_executions') }}

),

executions as (

    select * from {{ ref('stg_workflows__executions') }}

),

workflows as (

    select * from {{ ref('stg_workflows__workflows') }}
    where deleted_at is null

),

goal_steps as (

    select distinct workflow_id from {{ ref('stg_workflows__steps') }}
    where
        step_type = 'goal'
        and deleted_at is null

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

executions_with_workflow as (

    select
        executions.execution_id,
        executions.workflow_id,
        executions.contact_id,
        executions.status,
        executions.enrolled_at,
        {{ null_if_infinite('executions.ended_at') }} as ended_at,
        {{ null_if_infinite('executions.goal_reached_at') }} as goal_reached_at,
        executions.current_step_id,
        workflows.conversion_window_seconds,
        goal_steps.workflow_id is not null as has_goal_step,
        {{ utc_midnight('parameters.earliest_date') }} as earliest_at
    from executions
    inner join affected
        on executions.execution_id = affected.execution_id
    inner join workflows
        on executions.workflow_id = workflows.workflow_id
    left join goal_steps
        on executions.workflow_id = goal_steps.workflow_id
    cross join parameters

),

executions_judged as (

    select
        *,
        case when has_goal_step then goal_reached_at when status = 'completed' then ended_at end as converted_at,
        case
            when ended_at < enrolled_at then 'execution_ends_before_start'
            when enrolled_at < earliest_at or ended_at < earliest_at or goal_reached_at < earliest_at
                then 'before_earliest_date'
        end as reason
    from executions_with_workflow

),

executions_resolved as (

    select
        execution_id,
        workflow_id,
        contact_id,
        status,
        enrolled_at,
        {{ utc_date('enrolled_at') }} as enrolled_date,
        ended_at,
        {{ utc_date('ended_at') }} as ended_date,
        goal_reached_at,
        {{ utc_date('goal_reached_at') }} as goal_date,
        current_step_id,
        coalesce(
            case
                when reason is not null or not {{ is_finite('enrolled_at') }} then false
                when not has_goal_step and conversion_window_seconds is null then status = 'completed'
                when conversion_window_seconds is null then converted_at is not null
                else
                    {{ microseconds_between('enrolled_at', 'converted_at') }}
                    <= conversion_window_seconds::numeric * 1000000
            end,
            false
        ) as is_converted,
        case
            when reason is null and {{ is_finite('enrolled_at') }}
                then {{ microseconds_between('enrolled_at', 'ended_at') }}
        end as duration_microseconds,
        reason,
        case
            when reason is not null
                then
                    enrolled_at::text || ' / ' || coalesce(ended_at::text, '') || ' / '
                    || coalesce(goal_reached_at::text, '')
        end as value
    from executions_judged

)

select * from executions_resolved
