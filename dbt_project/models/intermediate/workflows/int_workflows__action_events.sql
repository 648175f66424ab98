{{ config(
    materialized='fact',
    key='execution_id',
    affected='int_workflows__affected_event_logs',
    indexed_by=['date'],
) }}
-- One row per event of an action or message that counts.
with affected as (

    select * from {{ ref('int_workflows__affected_event_logs') }}

),

events as (

    select * from {{ ref('int_workflows__usable_events') }}
    where event_type in ({{ quoted(action_event_types().keys()) }})

),

action_events as (

    select
        events.event_id,
        events.execution_id,
        events.workflow_id,
        events.step_id,
        events.action_type,
        {{ utc_date('events.occurred_at') }} as date,
        events.event_type,
        case
            when events.event_type in ('action_succeeded', 'action_failed') then events.duration_ms
        end as duration_ms
    from events
    inner join affected
        on events.execution_id = affected.execution_id

)

select * from action_events
