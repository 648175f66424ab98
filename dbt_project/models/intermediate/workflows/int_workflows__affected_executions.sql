{{ config(materialized='scratch') }}
-- One row per execution whose facts must be recomputed: its row changed, or its workflow or that workflow's
-- steps did (the window and the existence of a goal step decide what converts).
with executions as (

    select * from {{ ref('stg_workflows__executions') }}

),

steps as (

    select * from {{ ref('stg_workflows__steps') }}

),

execution_changes as (

    select * from {{ changes('workflows', 'workflow_executions') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

workflow_changes as (

    select * from {{ changes('workflows', 'workflows') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

step_changes as (

    select * from {{ changes('workflows', 'workflow_steps') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

changed_workflows as (

    select
        workflow_id,
        'workflows.workflows' as source_table
    from workflow_changes
    union
    -- Where the step was, and where it is now.
    select
        step_changes.workflow_id,
        'workflows.workflow_steps' as source_table
    from step_changes
    where step_changes.workflow_id is not null
    union
    select
        steps.workflow_id,
        'workflows.workflow_steps' as source_table
    from steps
    inner join step_changes
        on steps.step_id = step_changes.step_id

),

affected as (

    select
        execution_id,
        'workflows.workflow_executions' as source_table
    from execution_changes
    union all
    select
        executions.execution_id,
        changed_workflows.source_table
    from executions
    inner join changed_workflows
        on executions.workflow_id = changed_workflows.workflow_id
    union all
    select
        execution_id,
        'workflows.workflow_executions' as source_table
    from executions
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
