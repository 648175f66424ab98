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
        sum(minutes::integer) as minutes,
        count(case when minutes > 0 then 1 end) as scheduled,
        count(case when minutes > 0 and is_completed then 1 end) as completed_scheduled,
        sum(slots_count) as source_rows
    from task_days
    group by user_id, date, category_id

),

-- What each source says of a user's day, to be summed in one pass; minutes of focus are there once.
parts as (

    select
        user_id,
        date,
        category_id,
        minutes::integer as minutes,
        0 as completed,
        scheduled::integer as scheduled,
        completed_scheduled::integer as completed_scheduled,
        0 as focus_minutes,
        0 as focus_capacity_minutes,
        source_rows::integer as source_rows
    from by_category
    union all
    select
        user_id,
        date,
        null as category_id,
        0 as minutes,
        1 as completed,
        0 as scheduled,
        0 as completed_scheduled,
        0 as focus_minutes,
        0 as focus_capacity_minutes,
        1 as source_rows
    from completion_days
    union all
    select
        user_id,
        date,
        null as category_id,
        0 as minutes,
        0 as completed,
        0 as scheduled,
        0 as completed_scheduled,
        focus_minutes::integer as focus_minutes,
        focus_capacity_minutes::integer as focus_capacity_minutes,
        0 as source_rows
    from focus_minutes
    union all
    select
        user_id,
        date,
        null as category_id,
        0 as minutes,
        0 as completed,
        0 as scheduled,
        0 as completed_scheduled,
        0 as focus_minutes,
        0 as focus_capacity_minutes,
        slots_count as source_rows
    from focus_days

),

measures as (

    select
        parts.user_id,
        parts.date,
        sum(parts.minutes)::integer as total_scheduled_minutes,
        sum(parts.completed)::integer as completed_tasks_count,
        sum(parts.scheduled)::integer as scheduled_tasks_count,
        sum(parts.completed_scheduled)::integer as completed_scheduled_tasks_count,
        sum(parts.focus_minutes)::integer as focus_minutes,
        sum(parts.focus_capacity_minutes)::integer as focus_capacity_minutes,
        {{ json_object_of('parts.category_id', 'parts.minutes', 'parts.minutes > 0') }} as category_minutes,
        sum(parts.source_rows)::bigint as _source_row_count
    from parts
    inner join run_days
        on parts.date = run_days.date
    group by parts.user_id, parts.date

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
