-- One row per mart, partition and source table that facts have rows for, where they were made of all rows and nothing
-- is planned yet. What is new has nothing to be set against, and is only counted.
with executions as (

    select * from {{ ref('int_workflows__executions') }}
    where
        reason is null
        and {{ is_finite('enrolled_at') }}
        and {{ facts_batch('workflows') }} < 0

),

visits as (

    select * from {{ ref('int_workflows__step_visits') }}
    where {{ facts_batch('workflows') }} < 0

),

action_events as (

    select * from {{ ref('int_workflows__action_events') }}
    where {{ facts_batch('workflows') }} < 0

),

days as (

    select date from {{ source('control', 'local_days') }}
    where timezone = 'UTC'

),

days_of_executions as (

    select
        execution_id,
        enrolled_date as date
    from executions
    union
    select
        execution_id,
        ended_date as date
    from executions
    where
        ended_at is not null
        and status <> 'active'
    union
    select
        execution_id,
        goal_date as date
    from executions
    where goal_reached_at is not null

),

visits_of_executions as (

    select
        enrolled_date,
        execution_id,
        count(microseconds_in_step) as completed_count,
        count(case when outcome <> 'skipped' then 1 end) as entered_count
    from visits
    group by enrolled_date, execution_id

),

actions_of_executions as (

    select
        date,
        execution_id
    from action_events
    group by date, execution_id

),

counted as (

    select
        'enrolled' as what,
        enrolled_date as day,
        count(*) as row_count
    from executions
    group by enrolled_date
    union all
    select
        'completed' as what,
        ended_date as day,
        count(*) as row_count
    from executions
    where
        ended_at is not null
        and status = 'completed'
    group by ended_date
    union all
    select
        'enrolled, ended or at a goal' as what,
        date as day,
        count(*) as row_count
    from days_of_executions
    group by date
    union all
    select
        'visited' as what,
        enrolled_date as day,
        count(*) as row_count
    from visits_of_executions
    group by enrolled_date
    union all
    select
        'step completed' as what,
        enrolled_date as day,
        count(*) as row_count
    from visits_of_executions
    where completed_count > 0
    group by enrolled_date
    union all
    select
        'step entered' as what,
        enrolled_date as day,
        count(*) as row_count
    from visits_of_executions
    where entered_count > 0
    group by enrolled_date
    union all
    select
        'acted' as what,
        date as day,
        count(*) as row_count
    from actions_of_executions
    group by date

),

-- From one border to the next as many are active as have been enrolled less those that have ended.
active_borders as (

    select
        enrolled_date as date,
        count(*) as step
    from executions
    group by enrolled_date
    union all
    select
        ended_date as date,
        -count(*) as step
    from executions
    where ended_at is not null
    group by ended_date

),

active_runs as (

    select
        date,
        lead(date) over (order by date) as next_date,
        sum(sum(step)) over (order by date) as row_count
    from active_borders
    group by date

),

dirty as (

    {% for mart, what, date in [
        ('workflow_executions', 'enrolled', 'day'),
        ('workflow_analytics', 'enrolled, ended or at a goal', 'day'),
        ('workflow_analytics_hourly', 'enrolled, ended or at a goal', 'day'),
        ('workflow_step_metrics', 'enrolled', 'day'),
        ('duration_histogram', 'completed', 'day'),
        ('workflow_analytics_weekly', 'enrolled', week_of('day')),
        ('workflow_analytics_monthly', 'enrolled', month_of('day')),
    ] %}
        select
            '{{ mart }}' as mart,
            {{ date }} as date,
            'workflows.workflow_executions' as source_table,
            sum(row_count) as row_count
        from counted
        where what = '{{ what }}'
        group by {{ date }}
        union all
    {% endfor %}
    {% for mart, what, date in [
        ('workflow_step_metrics', 'visited', 'day'),
        ('duration_histogram', 'step completed', 'day'),
        ('workflow_step_metrics_weekly', 'step entered', week_of('day')),
        ('workflow_step_metrics_monthly', 'step entered', month_of('day')),
        ('workflow_action_metrics', 'acted', 'day'),
    ] %}
        select
            '{{ mart }}' as mart,
            {{ date }} as date,
            'workflows.workflow_events' as source_table,
            sum(row_count) as row_count
        from counted
        where what = '{{ what }}'
        group by {{ date }}
        union all
    {% endfor %}
    select
        'workflow_analytics' as mart,
        days.date,
        'workflows.workflow_executions' as source_table,
        active_runs.row_count
    from active_runs
    inner join days
        on
            active_runs.date <= days.date
            and (active_runs.next_date is null or active_runs.next_date > days.date)
    where active_runs.row_count > 0

),

summed as (

    select
        mart,
        date as partition_start,
        source_table,
        max(row_count)::bigint as row_count
    from dirty
    group by mart, date, source_table

)

select * from summed
