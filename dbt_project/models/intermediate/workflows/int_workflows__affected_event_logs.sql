{{ config(materialized='scratch', pre_hook="{{ index_on_raw('workflows', 'workflow_events', 'execution_id') }}") }}
-- One row per execution (also one that does not exist) whose events must be read anew: its own facts are
-- recomputed, an event changed, a step or workflow that an event names changed, or the as-of instant has moved
-- over an instant of it.
with affected_executions as (

    select * from {{ ref('int_workflows__affected_executions') }}

),

affected_steps as (

    select * from {{ ref('int_workflows__affected_steps') }}

),

due_facts as (

    select * from {{ ref('int_workflows__due_facts') }}

),

events as {{ computed_where_used() }} (

    select * from {{ ref('stg_workflows__events') }}

),

event_changes as (

    select * from {{ changes('workflows', 'workflow_events') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

workflow_changes as (

    select distinct workflow_id from {{ changes('workflows', 'workflows') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

affected as (

    select
        execution_id,
        source_table
    from affected_executions
    union all
    -- Whose event it was.
    select
        execution_id,
        'workflows.workflow_events' as source_table
    from event_changes
    where execution_id is not null
    union all
    -- Whose event it is now.
    select
        events.execution_id,
        'workflows.workflow_events' as source_table
    from event_changes
    inner join events
        on event_changes.event_id = events.event_id
    union all
    -- An event can name a step or workflow that is not its execution's.
    select
        events.execution_id,
        'workflows.workflow_steps' as source_table
    from events
    inner join affected_steps
        on events.step_id = affected_steps.step_id
    where {{ facts_batch('workflows') }} >= 0
    union all
    select
        events.execution_id,
        'workflows.workflows' as source_table
    from events
    inner join workflow_changes
        on events.workflow_id = workflow_changes.workflow_id
    where {{ facts_batch('workflows') }} >= 0
    union all
    select
        execution_id,
        source_table
    from due_facts
    union all
    select
        execution_id,
        'workflows.workflow_events' as source_table
    from events
    where {{ facts_batch('workflows') }} < 0

),

one_row_per_execution as (

    select
        execution_id,
        min(source_table) as source_table
    from affected
    group by execution_id

)

select * from one_row_per_execution
