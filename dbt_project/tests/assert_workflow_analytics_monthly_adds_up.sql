{{ config(severity='error', meta={'mart': 'workflow_analytics_monthly'}) }}
-- Parts are no larger than their wholes, the rate is that of its counts, and durations are there where something
-- completed. A row names the first rule that it violates. That months are the sums of their days is an equation of the
-- reconciliation.
with metrics as (

    select * from {{ ref('workflow_analytics_monthly') }}
    where month in (select run_periods.date from {{ run_days('workflow_analytics_monthly') }} as run_periods)

),

rows_judged as (

    select
        month as partition_start,
        case
            when cohort_converted_count > enrolled_count then 'cohort_converted_count <= enrolled_count'
            when
                (conversion_rate is null) <> (enrolled_count = 0)
                or conversion_rate <> {{ ratio('cohort_converted_count', 'enrolled_count') }}
                then 'conversion_rate = cohort_converted_count / enrolled_count'
            when unique_contacts > enrolled_count then 'unique_contacts <= enrolled_count'
            when unique_contacts = 0 and enrolled_count > 0 then 'who is enrolled is a contact'
            when
                (avg_duration_seconds is null) <> (completed_count = 0)
                or (p50_duration_seconds is null) <> (completed_count = 0)
                or (p95_duration_seconds is null) <> (completed_count = 0)
                then 'durations are null where nothing completed, and only there'
            when least(avg_duration_seconds, p50_duration_seconds) < 0 then 'durations are not negative'
            when p50_duration_seconds > p95_duration_seconds then 'p50_duration_seconds <= p95_duration_seconds'
        end as violation,
        workflow_id
    from metrics

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
