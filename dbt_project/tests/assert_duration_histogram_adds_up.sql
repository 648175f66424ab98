{{ config(severity='error', meta={'mart': 'duration_histogram'}) }}
-- Buckets are those of the fixed table, every duration is within 1 % of its bucket's representative, and there are as
-- many as something completed. A row names the first rule that it violates.
with histogram as (

    select * from {{ ref('duration_histogram') }}
    where date in (select run_days.date from {{ run_days('duration_histogram') }} as run_days)

),

buckets as (

    select * from {{ source('control', 'duration_buckets') }}

),

steps as (

    select * from {{ ref('workflow_step_metrics') }}
    where
        date in (select run_days.date from {{ run_days('workflow_step_metrics') }} as run_days)
        and date in (select run_days.date from {{ run_days('duration_histogram') }} as run_days)

),

buckets_judged as (

    select
        histogram.date as partition_start,
        case
            when histogram.count < 1 then 'count >= 1'
            when
                buckets.bucket is null
                or histogram.bucket_upper_seconds <> {{ seconds('buckets.upper_microseconds') }}
                then 'bounds are those of the fixed table'
            when
                histogram.total_microseconds not between
                histogram.count * buckets.lower_microseconds::numeric
                and histogram.count * buckets.upper_microseconds::numeric
                then 'the durations are within the bounds of their bucket'
            when
                abs(histogram.representative_seconds - {{ seconds('buckets.lower_microseconds') }})
                > 0.01 * {{ seconds('buckets.lower_microseconds') }}
                or abs(histogram.representative_seconds - {{ seconds('buckets.upper_microseconds') }})
                > 0.01 * {{ seconds('buckets.upper_microseconds') }}
                then 'the bounds are within 1 % of the representative'
        end as violation,
        histogram.workflow_id,
        histogram.step_id
    from histogram
    left join buckets
        on histogram.bucket = buckets.bucket

),

counts as (

    select
        step_id,
        date,
        sum(count) as duration_count
    from histogram
    group by step_id, date

),

steps_judged as (

    select
        steps.date as partition_start,
        'there are as many as completed the step' as violation,
        steps.workflow_id,
        steps.step_id
    from steps
    left join counts
        on steps.step_id = counts.step_id and steps.date = counts.date
    where steps.completed_count <> coalesce(counts.duration_count, 0)

),

rows_judged as (

    select partition_start, violation, workflow_id, step_id from buckets_judged
    union all
    select partition_start, violation, workflow_id, step_id from steps_judged

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
