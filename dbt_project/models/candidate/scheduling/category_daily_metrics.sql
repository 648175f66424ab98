-- One row per user, local day and category with a measure that is not zero.
with task_days as (

    select * from {{ ref('int_scheduling__task_days') }}

),

completion_days as (

    select * from {{ ref('int_scheduling__completion_days') }}

),

categories as (

    select * from {{ ref('stg_scheduling__categories') }}

),

run_days as (

    select * from {{ run_days('category_daily_metrics') }} as run_days

),

measures as (

    select
        user_id,
        date,
        category_id,
        minutes::integer as minutes,
        0 as completed,
        case when minutes > 0 then 1 else 0 end as scheduled,
        case when minutes > 0 and is_completed then 1 else 0 end as completed_scheduled,
        slots_count::integer as source_rows
    from task_days
    union all
    select
        user_id,
        date,
        category_id,
        0 as minutes,
        1 as completed,
        0 as scheduled,
        0 as completed_scheduled,
        1 as source_rows
    from completion_days

),

summed as (

    select
        measures.user_id,
        measures.date,
        measures.category_id,
        sum(measures.minutes)::integer as scheduled_minutes,
        sum(measures.completed)::integer as completed_tasks_count,
        sum(measures.scheduled)::integer as scheduled_tasks_count,
        sum(measures.completed_scheduled)::integer as completed_scheduled_tasks_count,
        sum(measures.source_rows)::bigint as _source_row_count
    from measures
    inner join run_days
        on measures.date = run_days.date
    group by measures.user_id, measures.date, measures.category_id

),

named as (

    select
        summed.user_id,
        summed.date,
        summed.category_id,
        coalesce(categories.name, 'Uncategorized') as category_name,
        summed.scheduled_minutes,
        summed.completed_tasks_count,
        summed.scheduled_tasks_count,
        summed.completed_scheduled_tasks_count,
        summed._source_row_count
    from summed
    left join categories
        on summed.category_id = categories.category_id
    where
        summed.scheduled_minutes > 0
        or summed.completed_tasks_count > 0

)

select * from named
