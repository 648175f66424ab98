-- One row per value of the services application that cannot be used, and the reason.
with metrics as (

    select * from {{ ref('int_services__metrics') }}

),

kpi_goals as (

    select * from {{ ref('stg_services__kpi_goals') }}

),

quarantined as (

    select
        'services.metrics' as source_table,
        metric_id::text as row_key,
        null::integer as position,
        reason,
        case when reason like 'value%' then value::text else recorded_at::text end as value
    from metrics
    where reason is not null
    union all
    select
        'services.kpi_goals' as source_table,
        goal_id::text as row_key,
        null::integer as position,
        'value_not_finite' as reason,
        target_value::text as value
    from kpi_goals
    where not {{ is_finite_number('target_value') }}

)

select * from quarantined
