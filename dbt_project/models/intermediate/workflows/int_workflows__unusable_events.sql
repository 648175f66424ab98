{{ config(materialized='fact', key='execution_id', affected='int_workflows__affected_event_logs') }}
-- One row per event that cannot be used as of the run that computed it, and the first reason of the contract that
-- holds. Not examined: events whose own workflow or step is deleted. Those of a quarantined execution are left out
-- with it, and are here only where they are defective themselves.
with affected as (

    select * from {{ ref('int_workflows__affected_event_logs') }}

),

events as (

    select * from {{ ref('stg_workflows__events') }}

),

executions as (

    select * from {{ ref('stg_workflows__executions') }}

),

workflows as (

    select * from {{ ref('stg_workflows__workflows') }}

),

steps as (

    select * from {{ ref('stg_workflows__steps') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

judged as (

    select
        events.execution_id,
        events.event_id,
        case
            when events.event_type not in ({{ known_event_types() }}) then 'unknown_event_type'
            when
                executions.workflow_id is null
                or steps.workflow_id is null
                or executions.workflow_id <> events.workflow_id
                or steps.workflow_id <> events.workflow_id
                then 'orphan_event'
            when events.occurred_at < (select {{ utc_midnight('parameters.earliest_date') }} from parameters)
                then 'before_earliest_date'
            when events.occurred_at > (select parameters.future_limit from parameters) then 'in_the_future'
        end as reason,
        events.event_type,
        events.occurred_at,
        events.workflow_id,
        events.step_id
    from events
    inner join affected
        on events.execution_id = affected.execution_id
    left join executions
        on events.execution_id = executions.execution_id
    left join steps
        on events.step_id = steps.step_id
    left join workflows
        on events.workflow_id = workflows.workflow_id
    where
        workflows.deleted_at is null
        and steps.deleted_at is null

),

unusable as (

    select
        execution_id,
        event_id,
        reason,
        case reason
            when 'unknown_event_type' then event_type
            when 'orphan_event'
                then
                    'execution ' || execution_id::text || ', workflow ' || workflow_id::text
                    || ', step ' || step_id::text
            else occurred_at::text
        end as value
    from judged
    where reason is not null

)

select * from unusable
