{{ config(severity='error', meta={'mart': 'workflow_analytics_hourly'}) }}
-- Hours begin on the hour, say something, and add up to their day where the run builds that too. A row names the first
-- rule that it violates.
with hours as (

    select
        *,
        {{ utc_date('hour') }} as date
    from {{ ref('workflow_analytics_hourly') }}

),

hours_of_run as (

    select * from hours
    where date in (select run_days.date from {{ run_days('workflow_analytics_hourly') }} as run_days)

),

days as (

    select * from {{ ref('workflow_analytics') }}
    where
        date in (select run_days.date from {{ run_days('workflow_analytics') }} as run_days)
        and date in (select run_days.date from {{ run_days('workflow_analytics_hourly') }} as run_days)

),

hours_judged as (

    select
        date as partition_start,
        case
            when hour <> {{ utc_hour('hour') }} then 'hour is the start of an hour'
            when enrolled_count + completed_count + failed_count + exited_count + goal_count = 0
                then 'a count is not zero'
        end as violation,
        workflow_id
    from hours_of_run

),

sums as (

    select
        workflow_id,
        date,
        sum(enrolled_count) as enrolled_count,
        sum(completed_count) as completed_count,
        sum(failed_count) as failed_count,
        sum(exited_count) as exited_count,
        sum(goal_count) as goal_count
    from hours_of_run
    group by workflow_id, date

),

days_judged as (

    select
        days.date as partition_start,
        'the hours of a day add up to workflow_analytics' as violation,
        days.workflow_id
    from days
    left join sums
        on days.workflow_id = sums.workflow_id and days.date = sums.date
    where
        days.enrolled_count <> coalesce(sums.enrolled_count, 0)
        or days.completed_count <> coalesce(sums.completed_count, 0)
        or days.failed_count <> coalesce(sums.failed_count, 0)
        or days.exited_count <> coalesce(sums.exited_count, 0)
        or days.goal_count <> coalesce(sums.goal_count, 0)

),

rows_judged as (

    select partition_start, violation, workflow_id from hours_judged
    union all
    select partition_start, violation, workflow_id from days_judged

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
