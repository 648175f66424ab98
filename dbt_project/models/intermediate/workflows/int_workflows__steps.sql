{{ config(materialized='fact', key='step_id', affected='int_workflows__affected_steps') }}
-- One row per step that is not deleted, of a workflow that is not deleted: what shows of it in marts.
with affected as (

    select * from {{ ref('int_workflows__affected_steps') }}

),

steps as (

    select * from {{ ref('stg_workflows__steps') }}
    where deleted_at is null

),

workflows as (

    select * from {{ ref('stg_workflows__workflows') }}
    where deleted_at is null

),

live_steps as (

    select
        steps.step_id,
        steps.workflow_id,
        steps.position,
        steps.name,
        coalesce(steps.action_type, '') as action_type
    from steps
    inner join affected
        on steps.step_id = affected.step_id
    inner join workflows
        on steps.workflow_id = workflows.workflow_id

)

select * from live_steps
