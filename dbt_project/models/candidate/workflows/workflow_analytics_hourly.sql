-- One row per workflow and UTC hour in which anything happened.
with executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

run_days as (

    select * from {{ run_days('workflow_analytics_hourly') }} as run_days

),

happenings as (

    select
        executions.workflow_id,
        {{ utc_hour('executions.enrolled_at') }} as hour,
        'enrolled' as happening
    from executions
    inner join run_days
        on executions.enrolled_date = run_days.date
    union all
    select
        executions.workflow_id,
        {{ utc_hour('executions.ended_at') }} as hour,
        executions.status as happening
    from executions
    inner join run_days
        on executions.ended_date = run_days.date
    where executions.status <> 'active'
    union all
    select
        executions.workflow_id,
        {{ utc_hour('executions.goal_reached_at') }} as hour,
        'goal' as happening
    from executions
    inner join run_days
        on executions.goal_date = run_days.date

),

counted as (

    select
        workflow_id,
        hour,
        count(case when happening = 'enrolled' then 1 end)::bigint as enrolled_count,
        count(case when happening = 'completed' then 1 end)::bigint as completed_count,
        count(case when happening = 'failed' then 1 end)::bigint as failed_count,
        count(case when happening = 'exited' then 1 end)::bigint as exited_count,
        count(case when happening = 'goal' then 1 end)::bigint as goal_count,
        count(*)::bigint as _source_row_count
    from happenings
    group by workflow_id, hour

)

select * from counted
