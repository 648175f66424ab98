-- One row per execution, its latest state.
with executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

run_days as (

    select * from {{ run_days('workflow_executions') }} as run_days

),

latest_state as (

    select
        executions.execution_id,
        executions.workflow_id,
        executions.contact_id,
        executions.status,
        executions.enrolled_at,
        executions.enrolled_date,
        executions.ended_at,
        executions.goal_reached_at,
        executions.is_converted,
        executions.current_step_id,
        {{ seconds('executions.duration_microseconds') }} as duration_seconds,
        1::bigint as _source_row_count
    from executions
    inner join run_days
        on executions.enrolled_date = run_days.date

)

select * from latest_state
