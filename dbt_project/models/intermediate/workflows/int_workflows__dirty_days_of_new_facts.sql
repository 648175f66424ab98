-- One row per mart, partition and source table that facts have rows for, where they were made of all rows and nothing
-- is planned yet. What is new has nothing to be set against: its rows are counted.
with executions as (

    select * from {{ ref('int_workflows__usable_executions') }}
    where {{ facts_batch('workflows') }} < 0

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

counted as (

    select
        'enrolled' as what,
        enrolled_date as day,
        count(*) as row_count
    from executions
    group by enrolled_date
    union all
    select
        case when status = 'completed' then 'completed' else 'ended otherwise' end as what,
        ended_date as day,
        count(*) as row_count
    from executions
    where
        ended_at is not null
        and status <> 'active'
    group by case when status = 'completed' then 'completed' else 'ended otherwise' end, ended_date
    union all
    select
        'goal reached' as what,
        goal_date as day,
        count(*) as row_count
    from executions
    where goal_reached_at is not null
    group by goal_date
    union all
    select
        case
            when outcome = 'skipped' then 'step skipped'
            when microseconds_in_step is null then 'step entered'
            else 'step completed'
        end as what,
        enrolled_date as day,
        count(*) as row_count
    from visits
    group by
        case
            when outcome = 'skipped' then 'step skipped'
            when microseconds_in_step is null then 'step entered'
            else 'step completed'
        end,
        enrolled_date
    union all
    select
        'acted' as what,
        date as day,
        count(*) as row_count
    from action_events
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

    {% for mart, whats, date in [
        ('workflow_executions', ['enrolled'], 'day'),
        ('workflow_analytics', ['enrolled', 'completed', 'ended otherwise', 'goal reached'], 'day'),
        ('workflow_analytics_hourly', ['enrolled', 'completed', 'ended otherwise', 'goal reached'], 'day'),
        ('workflow_step_metrics', ['enrolled'], 'day'),
        ('duration_histogram', ['completed'], 'day'),
        ('workflow_analytics_weekly', ['enrolled'], week_of('day')),
        ('workflow_analytics_monthly', ['enrolled'], month_of('day')),
    ] %}
        select
            '{{ mart }}' as mart,
            {{ date }} as date,
            'workflows.workflow_executions' as source_table,
            sum(row_count) as row_count
        from counted
        where what in ({{ quoted(whats) }})
        group by {{ date }}
        union all
    {% endfor %}
    {% for mart, whats, date in [
        ('workflow_step_metrics', ['step entered', 'step completed', 'step skipped'], 'day'),
        ('duration_histogram', ['step completed'], 'day'),
        ('workflow_step_metrics_weekly', ['step entered', 'step completed'], week_of('day')),
        ('workflow_step_metrics_monthly', ['step entered', 'step completed'], month_of('day')),
        ('workflow_action_metrics', ['acted'], 'day'),
    ] %}
        select
            '{{ mart }}' as mart,
            {{ date }} as date,
            'workflows.workflow_events' as source_table,
            sum(row_count) as row_count
        from counted
        where what in ({{ quoted(whats) }})
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
