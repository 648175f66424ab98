-- One row per series and day with an unexpected value; warehouse/services/anomalies.py finds them.
-- depends_on: {{ ref('int_services__standing_days') }}
with computed as (

    select * from {{ source('computed', 'kpi_anomalies') }}

),

run_days as (

    select * from {{ run_days('kpi_anomalies') }} as run_days

),

anomalies as (

    select
        computed.service_name,
        computed.metric_type,
        computed.segment,
        computed.unit,
        computed.date,
        computed.value,
        computed.expected,
        computed.z_score,
        computed.severity,
        1::bigint as _source_row_count
    from computed
    inner join run_days
        on computed.date = run_days.date

)

select * from anomalies
