{{ config(severity='error', meta={'mart': 'kpi_anomalies'}) }}
-- An anomaly's score and severity fit its value. A row names the first rule that it violates.
with anomalies as (

    select * from {{ ref('kpi_anomalies') }}
    where date in (select run_days.date from {{ run_days('kpi_anomalies') }} as run_days)

),

rows_judged as (

    select
        date as partition_start,
        service_name,
        metric_type,
        segment,
        unit,
        case
            when sign(value - expected) <> sign(z_score) then 'z_score has the sign of value - expected'
            when severity not in ('warning', 'critical') then 'severity is warning or critical'
            when abs(z_score) < 3 then 'what is near is no anomaly'
        end as violation
    from anomalies

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
