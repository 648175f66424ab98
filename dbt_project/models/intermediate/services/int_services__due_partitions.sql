-- One row per mart and day that the clock alone makes due: days that have ended since the last run (or not yet,
-- where the as-of instant has moved back).
with applications as (

    select * from {{ source('control', 'applications') }}
    where application = 'services' and as_of is not null

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

goals as (

    select * from {{ ref('int_services__kpi_goals') }}

),

limits as (

    select
        {{ utc_date('least(applications.as_of, parameters.as_of)') }} as first_date,
        {{ plus_days(utc_date('greatest(applications.as_of, parameters.as_of)'), -1) }} as last_date,
        applications.first_date as first_date_with_data,
        {{ utc_date('parameters.as_of') }} < {{ utc_date('applications.as_of') }} as is_back
    from applications
    cross join parameters

),

ended_days as (

    select
        days.date,
        limits.first_date_with_data
    from limits
    {{ cross_join_days('limits.first_date', 'limits.last_date') }}

),

-- Forward, the day that has ended is built anew, and what has no days follows it; back, there is none to follow.
due as (

    select
        'kpi_goal_snapshots' as mart,
        date as partition_start
    from ended_days
    where
        exists (
            select 1 from goals
            where ended_days.date >= goals.start_date and ended_days.date <= goals.end_date
        )
    union all
    select
        'kpi_anomalies' as mart,
        date as partition_start
    from ended_days
    where date >= first_date_with_data
    union all
    select
        'kpi_comparisons' as mart,
        null as partition_start
    from limits
    where is_back
    union all
    select
        'kpi_correlations' as mart,
        null as partition_start
    from limits
    where is_back
    union all
    select
        'kpi_forecast_accuracy' as mart,
        null as partition_start
    from limits
    where is_back
    union all
    select
        'kpi_forecasts' as mart,
        null as partition_start
    from limits
    where is_back

)

select * from due
