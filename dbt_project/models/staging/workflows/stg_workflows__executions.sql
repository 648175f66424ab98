-- One row per enrolment of a contact in a workflow, in its latest state.
with workflow_executions as (

    select * from {{ source('workflows', 'workflow_executions') }}

),

columns_named as (

    select
        execution_id,
        workflow_id,
        contact_id,
        status,
        enrolled_at,
        ended_at,
        goal_reached_at,
        current_step_id,
        updated_at,
        _batch_id
    from workflow_executions

)

select * from columns_named
