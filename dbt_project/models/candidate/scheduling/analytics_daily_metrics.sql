-- One row per user and local day with a measure that is not zero.
with task_days as (

    select * from {{ ref('int_scheduling__task_days') }}

),

completion_days as (

    select * from {{ ref('int_scheduling__completion_days') }}

),

focus_minutes as (

    select * from {{ ref('int_scheduling__focus_minutes') }}

),

focus_days as (

    select * from {{ ref('int_scheduling__focus_days') }}

),

run_days as (

    select * from {{ run_days('analytics_daily_metrics') }} as run_days

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

by_category as (

    select
        user_id,
        date,
        category_id,
        sum(minutes) as minutes,
        count(case when minutes > 0 then 1 end) as scheduled,
        count(case when minutes > 0 and is_completed then 1 end) as completed_scheduled,
        sum(slots_count) as source_rows
    from task_days
    group by user_id, date, category_id

),

scheduled as (

    select
        user_id,
        date,
        sum(minutes) as minutes,
        sum(scheduled) as scheduled,
        sum(completed_scheduled) as completed_scheduled,
        {{ json_object_of('category_id', 'minutes', 'minutes > 0') }} as category_minutes,
        sum(source_rows) as source_rows
    from by_category
    group by user_id, date

),

completed as (

    select
        user_id,
        date,
        count(*) as completed
    from completion_days
    group by user_id, date

),

focus_source as (

    select
        user_id,
        date,
        sum(slots_count) as source_rows
    from focus_days
    group by user_id, date

),

user_days as (

    select user_id, date from scheduled
    union
    select user_id, date from completed
    union
    select user_id, date from focus_minutes

),

measures as (

    select
        user_days.user_id,
        user_days.date,
        coalesce(scheduled.minutes, 0)::integer as total_scheduled_minutes,
        coalesce(completed.completed, 0)::integer as completed_tasks_count,
        coalesce(scheduled.scheduled, 0)::integer as scheduled_tasks_count,
        coalesce(scheduled.completed_scheduled, 0)::integer as completed_scheduled_tasks_count,
        coalesce(focus_minutes.focus_minutes, 0)::integer as focus_minutes,
        coalesce(focus_minutes.focus_capacity_minutes, 0)::integer as focus_capacity_minutes,
        coalesce(scheduled.category_minutes, {{ empty_json_object() }}) as category_minutes,
        (
            coalesce(scheduled.source_rows, 0)
            + coalesce(completed.completed, 0)
            + coalesce(focus_source.source_rows, 0)
        )::bigint as _source_row_count
    from user_days
    inner join run_days
        on user_days.date = run_days.date
    left join scheduled
        on user_days.user_id = scheduled.user_id and user_days.date = scheduled.date
    left join completed
        on user_days.user_id = completed.user_id and user_days.date = completed.date
    left join focus_minutes
        on user_days.user_id = focus_minutes.user_id and user_days.date = focus_minutes.date
    left join focus_source
        on user_days.user_id = focus_source.user_id and user_days.date = focus_source.date

),

keyed as (

    select
        {{ uuid3('analytics_daily_metrics', "measures.user_id::text || '/' || measures.date::text") }} as metrics_id,
        measures.user_id,
        measures.date,
        measures.total_scheduled_minutes,
        measures.completed_tasks_count,
        measures.scheduled_tasks_count,
        measures.completed_scheduled_tasks_count,
        measures.focus_minutes,
        measures.focus_capacity_minutes,
        measures.category_minutes,
        parameters.built_at as created_at,
        measures._source_row_count
    from measures
    cross join parameters
    where
        measures.total_scheduled_minutes > 0
        or measures.completed_tasks_count > 0
        or measures.focus_capacity_minutes > 0

)

select * from keyed
