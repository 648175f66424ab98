-- One row per metric value with its series, its UTC date and the reason why it cannot be used.
with metrics as (

    select * from {{ ref('stg_services__metrics') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

judged as (

    select
        metrics.metric_id,
        metrics.service_name,
        metrics.metric_type,
        coalesce(metrics.segment, '') as segment,
        coalesce(metrics.unit, '') as unit,
        -- Adding 0 turns -0 into 0: which of the two a minimum gives would depend on the order of rows.
        metrics.value + 0 as value,
        metrics.recorded_at,
        {{ utc_date('metrics.recorded_at') }} as date,
        case
            when not {{ is_finite_number('metrics.value') }} then 'value_not_finite'
            when abs(metrics.value) >= 1e20 then 'value_out_of_range'
            when metrics.recorded_at < {{ utc_midnight('parameters.earliest_date') }} then 'before_earliest_date'
            when metrics.recorded_at > parameters.future_limit then 'in_the_future'
            -- Two series make a row of kpi_correlations, whose key an index has to hold.
            when
                octet_length(metrics.service_name) + octet_length(metrics.metric_type)
                + coalesce(octet_length(metrics.segment), 0) + coalesce(octet_length(metrics.unit), 0) > 1200
                then 'name_too_long'
        end as reason
    from metrics
    cross join parameters

)

select * from judged
