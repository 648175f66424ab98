{{ config(severity='error', meta={'mart': 'category_daily_metrics'}) }}
-- Parts are no larger than their wholes, and the rows of a user and day add up to the one of
-- analytics_daily_metrics. The test of that mart compares the two as well, so that a day on which they differ is
-- held back in both. A row names the first rule that it violates.
with metrics as (

    select * from {{ ref('category_daily_metrics') }}
    where date in (select run_days.date from {{ run_days('category_daily_metrics') }} as run_days)

),

totals as (

    select * from {{ ref('analytics_daily_metrics') }}

),

rows_judged as (

    select
        user_id,
        date as partition_start,
        case
            when completed_scheduled_tasks_count > scheduled_tasks_count
                then 'completed_scheduled_tasks_count <= scheduled_tasks_count'
            when scheduled_tasks_count > scheduled_minutes
                then 'every scheduled task has a minute: scheduled_tasks_count <= scheduled_minutes'
            when scheduled_tasks_count = 0 and scheduled_minutes > 0 then 'scheduled minutes are those of tasks'
            when scheduled_minutes + completed_tasks_count = 0 then 'a measure is not zero'
        end as violation
    from metrics

),

long_form as (

    select
        user_id,
        date,
        sum(scheduled_minutes) as minutes,
        sum(completed_tasks_count) as completed
    from metrics
    group by user_id, date

),

forms_that_differ as (

    select
        'the rows of a user and day add up to analytics_daily_metrics' as violation,
        coalesce(long_form.user_id, totals.user_id) as user_id,
        coalesce(long_form.date, totals.date) as partition_start
    from long_form
    full outer join totals
        on long_form.user_id = totals.user_id and long_form.date = totals.date
    where
        coalesce(long_form.minutes, 0) <> coalesce(totals.total_scheduled_minutes, 0)
        or coalesce(long_form.completed, 0) <> coalesce(totals.completed_tasks_count, 0)

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
