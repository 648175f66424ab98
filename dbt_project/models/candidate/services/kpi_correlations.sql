-- One row per pair of series; warehouse/services/correlations.py computes them.
-- depends_on: {{ ref('int_services__standing_days') }}
with computed as (

    select * from {{ source('computed', 'kpi_correlations') }}

),

correlations as (

    select
        service_name_x,
        metric_type_x,
        segment_x,
        unit_x,
        service_name_y,
        metric_type_y,
        segment_y,
        unit_y,
        n,
        pearson,
        spearman,
        slope,
        intercept,
        r_squared,
        1::bigint as _source_row_count
    from computed

)

select * from correlations
