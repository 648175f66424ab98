-- One row per comparison, metric type, unit, granularity, period and key: services, segments or periods set against
-- each other.
-- noqa: disable=RF03
with parameters as (

    select * from {{ source('control', 'current_run') }}

),

values_of_days as (

    select * from {{ ref('int_services__standing_days') }}
    where
        date >= (select {{ plus_days('parameters.earliest_date', -1) }} from parameters)
        and date < (select {{ utc_date('parameters.as_of') }} from parameters)

),

granularities as (

    select 'day' as granularity
    union all
    select 'week' as granularity
    union all
    select 'month' as granularity
    union all
    select 'quarter' as granularity
    union all
    select 'year' as granularity

),

periods as (

    select
        values_of_days.service_name,
        values_of_days.metric_type,
        values_of_days.segment,
        values_of_days.unit,
        granularities.granularity,
        case granularities.granularity
            when 'day' then values_of_days.date
            when 'week' then {{ week_of('values_of_days.date') }}
            when 'month' then {{ month_of('values_of_days.date') }}
            when 'quarter' then {{ quarter_of('values_of_days.date') }}
            else {{ year_of('values_of_days.date') }}
        end as period,
        sum(values_of_days.value_sum) as value
    from values_of_days
    cross join granularities
    cross join parameters
    where
        granularities.granularity <> 'day'
        or values_of_days.date >= {{ plus_days(utc_date('parameters.as_of'), -93) }}
    group by
        values_of_days.service_name,
        values_of_days.metric_type,
        values_of_days.segment,
        values_of_days.unit,
        granularities.granularity,
        case granularities.granularity
            when 'day' then values_of_days.date
            when 'week' then {{ week_of('values_of_days.date') }}
            when 'month' then {{ month_of('values_of_days.date') }}
            when 'quarter' then {{ quarter_of('values_of_days.date') }}
            else {{ year_of('values_of_days.date') }}
        end

),

compared as (

    select
        'service' as comparison,
        metric_type,
        unit,
        granularity,
        period,
        service_name as key,
        sum(value) as value
    from periods
    group by metric_type, unit, granularity, period, service_name
    union all
    select
        'segment' as comparison,
        metric_type,
        unit,
        granularity,
        period,
        segment as key,
        sum(value) as value
    from periods
    group by metric_type, unit, granularity, period, segment
    union all
    select
        'period' as comparison,
        metric_type,
        unit,
        granularity,
        period,
        period::text as key,
        sum(value) as value
    from periods
    group by metric_type, unit, granularity, period

),

with_previous as (

    select
        compared.*,
        previous.value as previous_value,
        case when compared.comparison <> 'period' then compared.period end as group_period
    from compared
    left join compared as previous
        on
            compared.comparison = previous.comparison
            and compared.metric_type = previous.metric_type
            and compared.unit = previous.unit
            and compared.granularity = previous.granularity
            and previous.period = {{ previous_period('compared.granularity', 'compared.period') }}
            and (compared.comparison = 'period' or compared.key = previous.key)

),

ranked as (

    select
        with_previous.*,
        sum(value) over compared_with as total,
        max(value) over compared_with as largest,
        min(value) over compared_with as smallest,
        rank() over (compared_with order by value desc) as place,
        var_samp(value) over compared_with as variance_of_values
    from with_previous
    window compared_with as (partition by comparison, metric_type, unit, granularity, group_period)

),

comparisons as (

    select
        comparison,
        metric_type,
        unit,
        granularity,
        period,
        key,
        value::numeric(38, 12) as value,
        previous_value::numeric(38, 12) as previous_value,
        (value - previous_value)::numeric(38, 12) as change,
        case
            when previous_value <> 0
                then {{ rounded_quotient('100 * (value - previous_value)', 'abs(previous_value)', 2) }}
        end as change_pct,
        case
            when total <> 0 then {{ rounded_quotient('value * sign(total)', 'abs(total)', 4) }}
        end as share,
        place::integer as rank,
        value = largest as is_best,
        value = smallest and smallest < largest as is_worst,
        variance_of_values::double precision as variance,
        1::bigint as _source_row_count
    from ranked

)

select * from comparisons
