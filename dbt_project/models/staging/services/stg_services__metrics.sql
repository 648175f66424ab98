{{ config(pre_hook="{{ statistics_on_raw('services', 'metrics', 'date', utc_date('recorded_at')) }}") }}
-- One row per value that a service reported.
with metrics as (

    select * from {{ source('services', 'metrics') }}

),

columns_named as (

    select
        metric_id,
        service_name,
        metric_type,
        segment,
        value,
        unit,
        recorded_at,
        created_at,
        _batch_id
    from metrics

)

select * from columns_named
