-- One row per workflow, step (nil uuid: the whole execution), UTC day and bucket of durations with any in it.
with executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

visits as (

    select * from {{ ref('int_workflows__step_visits') }}

),

buckets as (

    select * from {{ source('control', 'duration_buckets') }}

),

run_days as (

    select * from {{ run_days('duration_histogram') }} as run_days

),

durations as (

    select
        executions.workflow_id,
        {{ nil_uuid() }} as step_id,
        executions.ended_date as date,
        executions.duration_microseconds as microseconds
    from executions
    inner join run_days
        on executions.ended_date = run_days.date
    where executions.status = 'completed'
    union all
    select
        visits.workflow_id,
        visits.step_id,
        visits.enrolled_date as date,
        visits.microseconds_in_step as microseconds
    from visits
    inner join run_days
        on visits.enrolled_date = run_days.date
    where visits.microseconds_in_step is not null

),

counted as (

    select
        workflow_id,
        step_id,
        date,
        {{ duration_bucket('microseconds') }} as bucket,
        count(*) as duration_count,
        sum(microseconds) as total_microseconds
    from durations
    group by workflow_id, step_id, date, {{ duration_bucket('microseconds') }}

),

with_bounds as (

    select
        counted.workflow_id,
        counted.step_id,
        counted.date,
        counted.bucket::integer as bucket,
        {{ seconds('buckets.upper_microseconds') }} as bucket_upper_seconds,
        {{ seconds('(buckets.lower_microseconds::numeric + buckets.upper_microseconds) / 2') }}
            as representative_seconds,
        counted.duration_count::bigint as count,
        counted.total_microseconds::numeric(38, 0) as total_microseconds,
        counted.duration_count::bigint as _source_row_count
    from counted
    inner join buckets
        on counted.bucket = buckets.bucket

)

select * from with_bounds
