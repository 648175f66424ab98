{{ config(severity='error', meta={'mart': 'workflow_action_metrics'}) }}
-- The rate is that of its counts, and durations are of actions that came to an end. A row names the first rule that it
-- violates.
with metrics as (

    select * from {{ ref('workflow_action_metrics') }}
    where date in (select run_days.date from {{ run_days('workflow_action_metrics') }} as run_days)

),

rows_judged as (

    select
        date as partition_start,
        case
            when
                attempted_count + succeeded_count + failed_count + delivered_count + opened_count + clicked_count = 0
                then 'a count is not zero'
            when
                (success_rate is null) <> (succeeded_count + failed_count = 0)
                or success_rate <> {{ ratio('succeeded_count', 'succeeded_count + failed_count') }}
                then 'success_rate = succeeded / (succeeded + failed)'
            when avg_duration_ms is not null and succeeded_count + failed_count = 0
                then 'durations are those of actions that succeeded or failed'
            when
                (p50_duration_ms is null) <> (avg_duration_ms is null)
                or (p95_duration_ms is null) <> (avg_duration_ms is null)
                then 'durations are null together'
            when p50_duration_ms > p95_duration_ms then 'p50_duration_ms <= p95_duration_ms'
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
