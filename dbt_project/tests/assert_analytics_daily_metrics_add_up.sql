{{ config(severity='error', meta={'mart': 'analytics_daily_metrics'}) }}
-- What a row says of its day adds up: parts are no larger than their wholes, categories sum to the total, focus
-- time fits into the day, and the same day in long form (category_daily_metrics) says the same. Scheduled minutes
-- may exceed the day, because overlapping slots count each. A row names the first rule that it violates.
with metrics as (

    select * from {{ ref('analytics_daily_metrics') }}
    where date in (select run_days.date from {{ run_days('analytics_daily_metrics') }} as run_days)

),

by_category as (

    select * from {{ ref('category_daily_metrics') }}

),

users as (

    select * from {{ ref('int_scheduling__users') }}

),

local_days as (

    select * from {{ source('control', 'local_days') }}

),

rows_checked as (

    select
        metrics.*,
        coalesce(local_days.starts_at < local_days.ends_at, false) as has_day,
        {{ epoch_minute('local_days.ends_at') }} - {{ epoch_minute('local_days.starts_at') }} as day_minutes,
        categories.minutes_sum,
        categories.minutes_least
    from metrics
    left join users
        on metrics.user_id = users.user_id
    left join local_days
        on users.timezone = local_days.timezone and metrics.date = local_days.date
    left join lateral (
        select
            sum(entries.value::numeric) as minutes_sum,
            min(entries.value::numeric) as minutes_least
        from jsonb_each_text(metrics.category_minutes) as entries (category_id, value)
    ) as categories on true

),

rows_judged as (

    select
        user_id,
        date as partition_start,
        case
            when coalesce(minutes_sum, 0) <> total_scheduled_minutes
                then 'category_minutes sum to total_scheduled_minutes'
            when minutes_least <= 0 then 'every value of category_minutes is positive'
            when completed_scheduled_tasks_count > scheduled_tasks_count
                then 'completed_scheduled_tasks_count <= scheduled_tasks_count'
            when scheduled_tasks_count > total_scheduled_minutes
                then 'every scheduled task has a minute: scheduled_tasks_count <= total_scheduled_minutes'
            when scheduled_tasks_count = 0 and total_scheduled_minutes > 0 then 'scheduled minutes are those of tasks'
            when focus_minutes > focus_capacity_minutes then 'focus_minutes <= focus_capacity_minutes'
            when focus_minutes > total_scheduled_minutes then 'focus_minutes <= total_scheduled_minutes'
            when not has_day then 'the user is not deleted and the day exists in the zone of the user'
            when focus_capacity_minutes > day_minutes then 'focus_capacity_minutes <= minutes of the day'
            when total_scheduled_minutes + completed_tasks_count + focus_capacity_minutes = 0
                then 'a measure is not zero'
        end as violation
    from rows_checked

),

long_form as (

    select
        user_id,
        date,
        {{ json_object_of('category_id', 'scheduled_minutes', 'scheduled_minutes > 0') }} as category_minutes,
        sum(completed_tasks_count) as completed,
        sum(scheduled_tasks_count) as scheduled,
        sum(completed_scheduled_tasks_count) as completed_scheduled
    from by_category
    group by user_id, date

),

forms_that_differ as (

    select
        'the rows of category_daily_metrics add up to the same' as violation,
        coalesce(metrics.user_id, long_form.user_id) as user_id,
        coalesce(metrics.date, long_form.date) as partition_start
    from metrics
    full outer join long_form
        on metrics.user_id = long_form.user_id and metrics.date = long_form.date
    where
        coalesce(metrics.category_minutes, {{ empty_json_object() }})
        <> coalesce(long_form.category_minutes, {{ empty_json_object() }})
        or coalesce(metrics.completed_tasks_count, 0) <> coalesce(long_form.completed, 0)
        or coalesce(metrics.scheduled_tasks_count, 0) <> coalesce(long_form.scheduled, 0)
        or coalesce(metrics.completed_scheduled_tasks_count, 0) <> coalesce(long_form.completed_scheduled, 0)

),

violations as (

    select
        partition_start,
        violation,
        user_id
    from rows_judged
    where violation is not null
    union all
    -- Only where this run builds both marts: of other days a candidate says nothing.
    select
        partition_start,
        violation,
        user_id
    from forms_that_differ
    where
        partition_start in (select run_days.date from {{ run_days('analytics_daily_metrics') }} as run_days)
        and partition_start in (select run_days.date from {{ run_days('category_daily_metrics') }} as run_days)

)

select * from violations
