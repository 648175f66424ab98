{{ config(severity='error', meta={'mart': 'quick_stats'}) }}
-- A longer window has no less than a shorter one, and parts are no larger than their wholes. A row names the first rule
-- that it violates. That windows are the sums of their days is an equation of the reconciliation.
with stats as (

    select * from {{ ref('quick_stats') }}

),

compared as (

    select
        stats.*,
        count(*) over (partition by stats.user_id) as rows_count,
        lag(stats.total_scheduled_minutes) over by_window as shorter_minutes,
        lag(stats.completed_tasks_count) over by_window as shorter_completed,
        lag(stats.scheduled_tasks_count) over by_window as shorter_scheduled,
        lag(stats.focus_capacity_minutes) over by_window as shorter_capacity,
        lag(stats.streak_days_completed) over by_window as other_streak,
        lag(stats.as_of_date) over by_window as other_date
    from stats
    window by_window as (partition by stats.user_id order by stats.window_days)

),

rows_judged as (

    select
        null::date as partition_start,
        case
            when rows_count <> 3 or window_days not in (7, 30, 90)
                then 'a user has three windows of 7, 30 and 90 days'
            when as_of_date <> other_date or streak_days_completed <> other_streak
                then 'as_of_date and streak are the same in all windows'
            when
                total_scheduled_minutes < shorter_minutes
                or completed_tasks_count < shorter_completed
                or scheduled_tasks_count < shorter_scheduled
                or focus_capacity_minutes < shorter_capacity
                then 'a longer window has no less than a shorter one'
            when completed_scheduled_tasks_count > scheduled_tasks_count
                then 'completed_scheduled_tasks_count <= scheduled_tasks_count'
            when focus_minutes > focus_capacity_minutes then 'focus_minutes <= focus_capacity_minutes'
            when focus_minutes > total_scheduled_minutes then 'focus_minutes <= total_scheduled_minutes'
            when
                coalesce(focus_time_utilization, -1)
                <> coalesce({{ ratio('focus_minutes', 'focus_capacity_minutes') }}, -1)
                then 'focus_time_utilization = focus_minutes / focus_capacity_minutes'
            when
                (top_category_id is null) <> (total_scheduled_minutes = 0)
                or (top_category_name is null) <> (total_scheduled_minutes = 0)
                or (top_category_minutes is null) <> (total_scheduled_minutes = 0)
                then 'there is a top category where minutes are scheduled, and only there'
            when top_category_minutes not between 1 and total_scheduled_minutes
                then '1 <= top_category_minutes <= total_scheduled_minutes'
            when least(streak_days_completed, window_days) > completed_tasks_count
                then 'every day of the streak has a completed task'
        end as violation,
        user_id
    from compared

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
