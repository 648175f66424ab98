-- One row per KPI goal and UTC day: how far it is, and where it will end if it goes on like this.
with run_days as (

    select * from {{ run_days('kpi_goal_snapshots') }} as run_days

),

goals as (

    select * from {{ ref('int_services__kpi_goals') }}

),

goal_days as (

    select
        goal_days.goal_id,
        goal_days.date,
        goal_days.current_value,
        goals.start_date,
        goals.end_date,
        goals.target_value,
        goals.target,
        goals.threshold,
        goals.is_cancelled,
        goal_days.day_number,
        -- Years end late: twice a number of days may be more than an integer holds.
        {{ days_between('goals.start_date', 'goals.end_date') }}::bigint + 1 as length,
        {{ days_between('goal_days.date', 'goals.end_date') }}::bigint as days_left,
        -- Least squares of y on x = 1 … n without a division: n, sums of y, of y² and of 2x − x̄ times y.
        goal_days.day_number::numeric as n,
        goal_days.sum_y,
        goal_days.sum_yy,
        2 * goal_days.sum_xy - (goal_days.day_number + 1) * goal_days.sum_y as q,
        {{ rounded_quotient('100 * goal_days.current_value', 'goals.target', 2) }} as progress_percentage
    from {{ kpi_goal_days() }} as goal_days
    inner join goals
        on goal_days.goal_id = goals.goal_id

),

-- In formulas of one row, names stand alone.
-- noqa: disable=RF02,RF03
with_history as (

    select
        goal_days.*,
        min(case when current_value >= target then date end) over goal_so_far as achieved_date,
        min(case when progress_percentage >= threshold then date end) over goal_so_far as alert_date,
        n * (n * n - 1) as d,
        -- At x = length: twice its distance from x̄; and at x = 0, the intercept times d.
        2 * length - n - 1 as distance,
        sum_y * (n * n - 1) - 3 * q * (n + 1) as a
    from goal_days
    window goal_so_far as (partition by goal_id order by date rows between unbounded preceding and current row)

),

estimated as (

    select
        with_history.*,
        case when day_number >= 2 then {{ double_quotient('sum_y * (n * n - 1) + 3 * q * distance', 'd') }} end
            as forecast_value,
        case
            when day_number >= 3
                then
                    {{ t_quantile_975('(day_number - 2)', 't_quantiles.quantile') }} * sqrt({{ double_quotient(
                        '((n * sum_yy - sum_y * sum_y) * (n * n - 1) - 3 * q * q)'
                        ~ ' * ((n + 1) * (n * n - 1) + 3 * distance * distance)',
                        'd * d * (n - 2)'
                    ) }})
        end as margin,
        case when day_number >= 2 and q > 0 then {{ ceiling_of_quotient('target * d - a', '6 * q') }} end
            as projected_day_number
    from with_history
    left join {{ ref('int_services__t_quantiles') }} as t_quantiles
        on with_history.day_number - 2 = t_quantiles.degrees
    where date in (select run_days.date from run_days)

),

snapshots as (

    select
        goal_id,
        date,
        current_value::numeric(38, 12) as current_value,
        target_value,
        progress_percentage,
        {{ rounded_quotient('(100 * day_number)::numeric', 'length', 2) }} as expected_percentage,
        current_value * length >= day_number * target as on_track,
        case
            when days_left > 0 then {{ rounded_quotient('greatest(0, target - current_value)', 'days_left', 12) }}
        end as daily_required,
        forecast_value,
        forecast_value - margin as forecast_lower,
        forecast_value + margin as forecast_upper,
        case
            when achieved_date is not null then achieved_date
            when
                projected_day_number - 1 <= {{ days_between('start_date', "date '9999-12-31'") }}
                then greatest({{ plus_days('date', 1) }}, {{ plus_days(
                    'start_date', 'greatest(projected_day_number - 1, 0)'
                ) }})
        end as projected_completion_date,
        case
            when is_cancelled then 'cancelled'
            when achieved_date is not null then 'achieved'
            when days_left = 0 then 'failed'
            else 'active'
        end as status,
        coalesce(alert_date = date, false) as alert,
        1::bigint as _source_row_count
    from estimated

)

select * from snapshots
