-- One row per mart, day and source table that changes since the last plan have touched, where rows were
-- and where they are now.
with slot_changes as (

    select * from {{ fact_changes('int_scheduling__task_slots') }}
    where reason is null

),

completion_changes as (

    select * from {{ fact_changes('int_scheduling__completions') }}
    where reason is null

),

focus_changes as (

    select * from {{ fact_changes('int_scheduling__focus_slots') }}
    where reason is null

),

affected_tasks as (

    select * from {{ ref('int_scheduling__affected_tasks') }}

),

affected_calendar_days as (

    select * from {{ ref('int_scheduling__affected_calendar_days') }}

),

categories as (

    select * from {{ ref('stg_scheduling__categories') }}

),

category_changes as (

    select * from {{ changes('scheduling', 'categories') }}
    where
        _batch_id > {{ facts_batch('scheduling') }}
        and _change <> 'insert'

),

days as (

    select * from {{ source('control', 'local_days') }}

),

-- The published rows say in which days a category's name shows.
published as (

    select * from marts.category_daily_metrics

),

touched_by_tasks as (

    select
        slot_changes.task_id,
        days.date
    from slot_changes
    {{ cross_join_local_dates('slot_changes.starts_at', 'slot_changes.ends_at') }}
    inner join days
        on
            slot_changes.timezone = days.timezone
            and touched.date = days.date
            and slot_changes.starts_at < days.ends_at
            and slot_changes.ends_at > days.starts_at
            and days.starts_at < days.ends_at
    union
    select
        completion_changes.task_id,
        days.date
    from completion_changes
    {{ cross_join_local_dates('completion_changes.completed_at', 'completion_changes.completed_at') }}
    inner join days
        on
            completion_changes.timezone = days.timezone
            and touched.date = days.date
            and completion_changes.completed_at < days.ends_at
            and completion_changes.completed_at >= days.starts_at

),

touched_by_focus as (

    select
        focus_changes.calendar_day_id,
        days.date
    from focus_changes
    {{ cross_join_local_dates('focus_changes.starts_at', 'focus_changes.ends_at') }}
    inner join days
        on
            focus_changes.timezone = days.timezone
            and touched.date = days.date
            and focus_changes.starts_at < days.ends_at
            and focus_changes.ends_at > days.starts_at
            and days.starts_at < days.ends_at
    group by focus_changes.calendar_day_id, days.date

),

task_days as (

    select
        touched_by_tasks.date,
        coalesce(affected_tasks.source_table, 'scheduling.tasks') as source_table,
        count(*) as row_count
    from touched_by_tasks
    left join affected_tasks
        on touched_by_tasks.task_id = affected_tasks.task_id
    group by touched_by_tasks.date, coalesce(affected_tasks.source_table, 'scheduling.tasks')

),

focus_days as (

    select
        touched_by_focus.date,
        coalesce(affected_calendar_days.source_table, 'scheduling.user_calendar_days') as source_table,
        count(*) as row_count
    from touched_by_focus
    left join affected_calendar_days
        on touched_by_focus.calendar_day_id = affected_calendar_days.calendar_day_id
    group by
        touched_by_focus.date,
        coalesce(affected_calendar_days.source_table, 'scheduling.user_calendar_days')

),

renamed_category_days as (

    select
        published.date,
        'scheduling.categories' as source_table,
        count(distinct published.category_id) as row_count
    from published
    inner join categories
        on published.category_id = categories.category_id
    where
        published.category_name <> categories.name
        and categories.category_id in (select category_changes.category_id from category_changes)
    group by published.date

),

goal_periods as (

    select * from {{ ref('int_scheduling__dirty_goal_periods') }}

),

dirty as (

    select 'analytics_daily_metrics' as mart, * from task_days
    union all
    select 'category_daily_metrics' as mart, * from task_days
    union all
    select 'analytics_daily_metrics' as mart, * from focus_days
    union all
    select 'category_daily_metrics' as mart, * from renamed_category_days
    union all
    select
        'goal_progress_snapshots' as mart,
        partition_start as date,
        source_table,
        row_count
    from goal_periods

),

summed as (

    select
        mart,
        date as partition_start,
        source_table,
        sum(row_count)::bigint as row_count
    from dirty
    group by mart, date, source_table

)

select * from summed
