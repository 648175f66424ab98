-- One row per KPI goal with a usable target, and the days that it has snapshots of.
with goals as (

    select * from {{ ref('stg_services__kpi_goals') }}
    where
        {{ is_finite_number('target_value') }}
        and {{ is_finite('start_date') }}
        and {{ is_finite('end_date') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

with_days as (

    select
        goals.goal_id,
        goals.service_name,
        goals.metric_type,
        nullif(goals.unit, '') as unit,
        goals.start_date,
        goals.end_date,
        goals.target_value,
        {{ decimal_of('goals.target_value') }} as target,
        {{ decimal_of('goals.alert_threshold') }} as threshold,
        goals.status = 'cancelled' as is_cancelled,
        greatest(goals.start_date, {{ plus_days('parameters.earliest_date', -1) }}) as first_date,
        least(goals.end_date, {{ plus_days(utc_date('parameters.as_of'), -1) }}) as last_date
    from goals
    cross join parameters

)

select * from with_days
