-- One row per user with a day in analytics_daily_metrics and window of 7, 30 or 90 local days up to the user's last
-- complete one.
with users as (

    select * from {{ ref('int_scheduling__users') }}

),

zones_now as (

    select * from {{ ref('int_scheduling__zones_now') }}

),

categories as (

    select * from {{ ref('stg_scheduling__categories') }}

),

streaks as (

    select * from {{ ref('int_scheduling__streaks') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

-- Local dates differ from UTC dates by a day at most.
days as (

    select * from {{ standing(
        'analytics_daily_metrics',
        [
            'user_id', 'date', 'total_scheduled_minutes', 'completed_tasks_count', 'scheduled_tasks_count',
            'completed_scheduled_tasks_count', 'focus_minutes', 'focus_capacity_minutes', 'category_minutes',
        ],
        '(select ' ~ utc_date('parameters.as_of') ~ ' - 92 from parameters)',
        '(select ' ~ utc_date('parameters.as_of') ~ ' + 1 from parameters)'
    ) }} as days

),

windows as (

    select
        users.user_id,
        zones_now.today - 1 as as_of_date,
        lengths.window_days,
        zones_now.today - lengths.window_days as first_date,
        streaks.streak_days_completed
    from users
    inner join zones_now
        on users.timezone = zones_now.timezone
    inner join streaks
        on users.user_id = streaks.user_id
    cross join (
        select 7 as window_days
        union all
        select 30 as window_days
        union all
        select 90 as window_days
    ) as lengths

),

summed as (

    select
        windows.user_id,
        windows.window_days,
        sum(days.total_scheduled_minutes) as total_scheduled_minutes,
        sum(days.completed_tasks_count) as completed_tasks_count,
        sum(days.scheduled_tasks_count) as scheduled_tasks_count,
        sum(days.completed_scheduled_tasks_count) as completed_scheduled_tasks_count,
        sum(days.focus_minutes) as focus_minutes,
        sum(days.focus_capacity_minutes) as focus_capacity_minutes,
        count(*) as days_count
    from windows
    inner join days
        on
            windows.user_id = days.user_id
            and windows.first_date <= days.date
            and windows.as_of_date >= days.date
    group by windows.user_id, windows.window_days

),

by_category as (

    select
        windows.user_id,
        windows.window_days,
        pairs.key::uuid as category_id,
        sum(pairs.value::bigint) as minutes
    from windows
    inner join days
        on
            windows.user_id = days.user_id
            and windows.first_date <= days.date
            and windows.as_of_date >= days.date
    {{ cross_join_json_pairs('days.category_minutes') }}
    group by windows.user_id, windows.window_days, pairs.key

),

categories_ranked as (

    select
        by_category.user_id,
        by_category.window_days,
        by_category.category_id,
        coalesce(categories.name, 'Uncategorized') as category_name,
        by_category.minutes,
        row_number() over (
            partition by by_category.user_id, by_category.window_days
            order by by_category.minutes desc, by_category.category_id asc
        ) as place
    from by_category
    left join categories
        on by_category.category_id = categories.category_id

),

stats as (

    select
        windows.user_id,
        windows.as_of_date,
        windows.window_days,
        coalesce(summed.total_scheduled_minutes, 0)::integer as total_scheduled_minutes,
        coalesce(summed.completed_tasks_count, 0)::integer as completed_tasks_count,
        coalesce(summed.scheduled_tasks_count, 0)::integer as scheduled_tasks_count,
        coalesce(summed.completed_scheduled_tasks_count, 0)::integer as completed_scheduled_tasks_count,
        coalesce(summed.focus_minutes, 0)::integer as focus_minutes,
        coalesce(summed.focus_capacity_minutes, 0)::integer as focus_capacity_minutes,
        {{ ratio('summed.focus_minutes', 'summed.focus_capacity_minutes') }} as focus_time_utilization,
        categories_ranked.category_id as top_category_id,
        categories_ranked.category_name as top_category_name,
        categories_ranked.minutes::integer as top_category_minutes,
        windows.streak_days_completed::integer as streak_days_completed,
        coalesce(summed.days_count, 0)::bigint as _source_row_count
    from windows
    left join summed
        on windows.user_id = summed.user_id and windows.window_days = summed.window_days
    left join categories_ranked
        on
            windows.user_id = categories_ranked.user_id
            and windows.window_days = categories_ranked.window_days
            and categories_ranked.place = 1

)

select * from stats
