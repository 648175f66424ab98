{{ config(severity='error', meta={'mart': 'workflow_step_metrics'}) }}
-- Whoever enters a step completes it, fails, is lost or is on the way, and nobody comes to a step past the one before
-- it; open cohorts are never counted as lost. A row names the first rule that it violates.
with metrics as (

    select
        *,
        lag(entered_count + skipped_count, 1, enrolled_count) over (
            partition by workflow_id, date order by step_position
        ) as came_to_previous
    from {{ ref('workflow_step_metrics') }}
    where date in (select run_periods.date from {{ run_days('workflow_step_metrics') }} as run_periods)

),

rows_judged as (

    select
        date as partition_start,
        case
            when entered_count <> completed_count + failed_count + dropped_count + open_count
                then 'entered = completed + failed + dropped + open'
            when entered_count + skipped_count > came_to_previous
                then 'entered + skipped <= entered + skipped of the step before, or enrolled'
            when enrolled_count = 0 then 'somebody is enrolled'
            when open_count > 0 and is_mature then 'nothing is open in a mature cohort'
            when
                conversion_from_start is null
                or conversion_from_start <> {{ ratio('entered_count', 'enrolled_count') }}
                then 'conversion_from_start = entered / enrolled'
            when
                (conversion_from_previous is null) <> (came_to_previous = 0)
                or conversion_from_previous <> {{ ratio('entered_count', 'came_to_previous') }}
                then 'conversion_from_previous = entered / (entered + skipped of the step before, or enrolled)'
            when
                (avg_seconds_in_step is null) <> (completed_count = 0)
                or (p50_seconds_in_step is null) <> (completed_count = 0)
                or (p95_seconds_in_step is null) <> (completed_count = 0)
                then 'times are null where nobody completed, and only there'
            when least(avg_seconds_in_step, p50_seconds_in_step) < 0 then 'times are not negative'
            when p50_seconds_in_step > p95_seconds_in_step then 'p50_seconds_in_step <= p95_seconds_in_step'
        end as violation,
        workflow_id,
        step_id
    from metrics

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
