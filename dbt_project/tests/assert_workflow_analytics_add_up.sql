{{ config(severity='error', meta={'mart': 'workflow_analytics'}) }}
-- Parts are no larger than their wholes, the rate is that of its counts, durations are there where something
-- completed, and active_count grows by no more than what was enrolled less what ended. A row names the first rule
-- that it violates.
with metrics as (

    select * from {{ ref('workflow_analytics') }}
    where date in (select run_days.date from {{ run_days('workflow_analytics') }} as run_days)

),

-- Null where this run does not build the day before; no row there means that nothing was active.
rows_with_the_day_before as (

    select
        metrics.*,
        case
            when metrics.date - 1 in (select run_days.date from {{ run_days('workflow_analytics') }} as run_days)
                then coalesce(rows_before.active_count, 0)
        end as active_count_before
    from metrics
    left join metrics as rows_before
        on metrics.workflow_id = rows_before.workflow_id and metrics.date = rows_before.date + 1

),

rows_judged as (

    select
        date as partition_start,
        case
            when cohort_converted_count > enrolled_count then 'cohort_converted_count <= enrolled_count'
            when
                (conversion_rate is null) <> (enrolled_count = 0)
                or conversion_rate <> {{ ratio('cohort_converted_count', 'enrolled_count') }}
                then 'conversion_rate = cohort_converted_count / enrolled_count'
            when
                (avg_duration_seconds is null) <> (completed_count = 0)
                or (p50_duration_seconds is null) <> (completed_count = 0)
                or (p95_duration_seconds is null) <> (completed_count = 0)
                then 'durations are null where nothing completed, and only there'
            when least(avg_duration_seconds, p50_duration_seconds) < 0 then 'durations are not negative'
            when p50_duration_seconds > p95_duration_seconds then 'p50_duration_seconds <= p95_duration_seconds'
            when enrolled_count + completed_count + failed_count + exited_count + goal_count + active_count = 0
                then 'a count is not zero'
            -- Not equal: an execution can have ended while its status still says active.
            when active_count > active_count_before + enrolled_count - completed_count - failed_count - exited_count
                then 'active_count <= that of the day before + enrolled - completed - failed - exited'
        end as violation,
        workflow_id
    from rows_with_the_day_before

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
