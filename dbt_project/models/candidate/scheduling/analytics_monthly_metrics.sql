-- One row per user and month with a day in analytics_daily_metrics: the sums of those days.
with run_months as (

    select * from {{ run_days('analytics_monthly_metrics') }} as run_months

),

days as (

    select * from {{ standing(
        'analytics_daily_metrics',
        [
            'user_id', 'date', 'total_scheduled_minutes', 'completed_tasks_count', 'scheduled_tasks_count',
            'completed_scheduled_tasks_count', 'focus_minutes', 'focus_capacity_minutes', 'category_minutes',
        ],
        '(select min(run_months.date) from run_months)',
        '(select ' ~ next_month('max(run_months.date)') ~ ' from run_months)'
    ) }} as days

),

days_of_run_months as (

    select
        days.*,
        run_months.date as month
    from days
    inner join run_months
        on {{ month_of('days.date') }} = run_months.date

),

summed as (

    select
        user_id,
        month,
        sum(total_scheduled_minutes) as total_scheduled_minutes,
        sum(completed_tasks_count) as completed_tasks_count,
        sum(scheduled_tasks_count) as scheduled_tasks_count,
        sum(completed_scheduled_tasks_count) as completed_scheduled_tasks_count,
        sum(focus_minutes) as focus_minutes,
        sum(focus_capacity_minutes) as focus_capacity_minutes,
        count(*) as active_days
    from days_of_run_months
    group by user_id, month

),

by_category as (

    select
        days_of_run_months.user_id,
        days_of_run_months.month,
        pairs.key as category_id,
        sum(pairs.value::bigint) as minutes
    from days_of_run_months
    {{ cross_join_json_pairs('days_of_run_months.category_minutes') }}
    group by days_of_run_months.user_id, days_of_run_months.month, pairs.key

),

category_minutes as (

    select
        user_id,
        month,
        {{ json_object_of('category_id', 'minutes', 'minutes > 0') }} as category_minutes
    from by_category
    group by user_id, month

),

months as (

    select
        summed.user_id,
        summed.month,
        summed.total_scheduled_minutes::bigint as total_scheduled_minutes,
        summed.completed_tasks_count::bigint as completed_tasks_count,
        summed.scheduled_tasks_count::bigint as scheduled_tasks_count,
        summed.completed_scheduled_tasks_count::bigint as completed_scheduled_tasks_count,
        summed.focus_minutes::bigint as focus_minutes,
        summed.focus_capacity_minutes::bigint as focus_capacity_minutes,
        coalesce(category_minutes.category_minutes, {{ empty_json_object() }}) as category_minutes,
        summed.active_days::bigint as active_days,
        summed.active_days::bigint as _source_row_count
    from summed
    left join category_minutes
        on summed.user_id = category_minutes.user_id and summed.month = category_minutes.month

)

select * from months
