-- One row per workflow and UTC day with anything to count.
with executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

run_days as (

    select * from {{ run_days('workflow_analytics') }} as run_days

),

enrolled as (

    select
        executions.workflow_id,
        executions.enrolled_date as date,
        count(*) as enrolled_count,
        count(case when executions.is_converted then 1 end) as cohort_converted_count
    from executions
    inner join run_days
        on executions.enrolled_date = run_days.date
    group by executions.workflow_id, executions.enrolled_date

),

ended as (

    select
        executions.workflow_id,
        executions.ended_date as date,
        count(case when executions.status = 'completed' then 1 end) as completed_count,
        count(case when executions.status = 'failed' then 1 end) as failed_count,
        count(case when executions.status = 'exited' then 1 end) as exited_count,
        {{ average_seconds(
            "sum(case when executions.status = 'completed' then executions.duration_microseconds end)",
            "count(case when executions.status = 'completed' then 1 end)"
        ) }} as avg_duration_seconds,
        {{ percentile_cont(
            0.5,
            "case when executions.status = 'completed' then " ~ seconds('executions.duration_microseconds') ~ " end"
        ) }} as p50_duration_seconds,
        {{ percentile_cont(
            0.95,
            "case when executions.status = 'completed' then " ~ seconds('executions.duration_microseconds') ~ " end"
        ) }} as p95_duration_seconds
    from executions
    inner join run_days
        on executions.ended_date = run_days.date
    group by executions.workflow_id, executions.ended_date

),

reached_goal as (

    select
        executions.workflow_id,
        executions.goal_date as date,
        count(*) as goal_count
    from executions
    inner join run_days
        on executions.goal_date = run_days.date
    group by executions.workflow_id, executions.goal_date

),

-- Active at the end of a day: enrolled by then and not ended by then. A running sum over all borders.
active_borders as (

    select workflow_id, enrolled_date as date, 1 as step from executions
    union all
    select workflow_id, ended_date as date, -1 as step from executions
    where ended_at is not null

),

active_steps as (

    select
        workflow_id,
        date,
        sum(step) as step,
        0 as is_asked
    from active_borders
    group by workflow_id, date
    union all
    select
        workflows.workflow_id,
        run_days.date,
        0 as step,
        1 as is_asked
    from run_days
    cross join (select distinct workflow_id from executions) as workflows

),

active_running as (

    select
        workflow_id,
        date,
        is_asked,
        sum(step) over (partition by workflow_id order by date) as active_count
    from active_steps

),

active as (

    select
        workflow_id,
        date,
        active_count
    from active_running
    where is_asked = 1

),

measures as (

    select
        active.workflow_id,
        active.date,
        coalesce(enrolled.enrolled_count, 0)::bigint as enrolled_count,
        coalesce(ended.completed_count, 0)::bigint as completed_count,
        coalesce(ended.failed_count, 0)::bigint as failed_count,
        coalesce(ended.exited_count, 0)::bigint as exited_count,
        coalesce(reached_goal.goal_count, 0)::bigint as goal_count,
        active.active_count::bigint as active_count,
        coalesce(enrolled.cohort_converted_count, 0)::bigint as cohort_converted_count,
        {{ ratio(
            'coalesce(enrolled.cohort_converted_count, 0)', 'coalesce(enrolled.enrolled_count, 0)'
        ) }} as conversion_rate,
        ended.avg_duration_seconds,
        ended.p50_duration_seconds,
        ended.p95_duration_seconds
    from active
    left join enrolled
        on active.workflow_id = enrolled.workflow_id and active.date = enrolled.date
    left join ended
        on active.workflow_id = ended.workflow_id and active.date = ended.date
    left join reached_goal
        on active.workflow_id = reached_goal.workflow_id and active.date = reached_goal.date

),

days_with_anything as (

    select
        *,
        enrolled_count + completed_count + failed_count + exited_count + goal_count + active_count as _source_row_count
    from measures
    where enrolled_count + completed_count + failed_count + exited_count + goal_count + active_count > 0

)

select * from days_with_anything
