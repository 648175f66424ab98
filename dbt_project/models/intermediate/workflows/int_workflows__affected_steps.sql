{{ config(materialized='scratch') }}
-- One row per step whose facts must be recomputed: its row changed, or its workflow's did.
with steps as (

    select * from {{ ref('stg_workflows__steps') }}

),

step_changes as (

    select * from {{ changes('workflows', 'workflow_steps') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

workflow_changes as (

    select * from {{ changes('workflows', 'workflows') }}
    where _batch_id > {{ facts_batch('workflows') }}

),

affected as (

    select
        step_id,
        'workflows.workflow_steps' as source_table
    from step_changes
    union all
    select
        steps.step_id,
        'workflows.workflows' as source_table
    from steps
    inner join workflow_changes
        on steps.workflow_id = workflow_changes.workflow_id
    union all
    select
        step_id,
        'workflows.workflow_steps' as source_table
    from steps
    where {{ facts_batch('workflows') }} < 0

),

one_row_per_step as (

    select
        step_id,
        min(source_table) as source_table
    from affected
    group by step_id

)

select * from one_row_per_step
