{# For a from clause: per KPI goal that the run touches and day, through the last that the run builds, the cumulative
value and the sums that least squares need (goal_id, date, day_number, current_value, sum_y, sum_xy, sum_yy). Exact.
Not a model, because only candidates read the days as they will stand. #}
{% macro kpi_goal_days() -%}
(
    with run_days as (

        select * from {{ run_days('kpi_goal_snapshots') }} as run_days

    ),

    goals as (

        select
            goals.*,
            run_limits.last_date as last_run_date
        from {{ ref('int_services__kpi_goals') }} as goals
        cross join (select max(run_days.date) as last_date from run_days) as run_limits
        where
            exists (
                select 1 from run_days
                where run_days.date >= goals.first_date and run_days.date <= goals.last_date
            )

    ),

    values_of_days as (

        select * from {{ standing(
            'kpi_daily',
            ['service_name', 'metric_type', 'unit', 'date', 'value_sum'],
            '(select min(goals.first_date) from goals)',
            '(select ' ~ plus_days('max(goals.last_date)', 1) ~ ' from goals)'
        ) }} as values_of_days

    ),

    days_with_values as (

        select
            goals.goal_id,
            values_of_days.date,
            sum(values_of_days.value_sum) as value
        from goals
        inner join values_of_days
            on
                goals.metric_type = values_of_days.metric_type
                and values_of_days.date >= goals.first_date
                and values_of_days.date <= goals.last_date
                and coalesce(goals.service_name, values_of_days.service_name) = values_of_days.service_name
                and coalesce(goals.unit, values_of_days.unit) = values_of_days.unit
        group by goals.goal_id, values_of_days.date

    ),

    goal_days as (

        select
            goals.goal_id,
            days.date,
            {{ days_between('goals.start_date', 'days.date') }} + 1 as day_number
        from goals
        {{ cross_join_days('goals.first_date', 'least(goals.last_date, goals.last_run_date)') }}

    ),

    cumulative as (

        select
            goal_days.goal_id,
            goal_days.date,
            goal_days.day_number,
            sum(coalesce(days_with_values.value, 0)) over (
                partition by goal_days.goal_id order by goal_days.date
                rows between unbounded preceding and current row
            )::numeric as y
        from goal_days
        left join days_with_values
            on
                goal_days.goal_id = days_with_values.goal_id
                and goal_days.date = days_with_values.date

    ),

    summed as (

        select
            goal_id,
            date,
            day_number,
            y as current_value,
            -- Days before the first have y = 0: they count in the number of points, and add nothing.
            sum(y) over goal_so_far as sum_y,
            sum(day_number * y) over goal_so_far as sum_xy,
            sum(y * y) over goal_so_far as sum_yy
        from cumulative
        window
            goal_so_far as (partition by goal_id order by date rows between unbounded preceding and current row)

    )

    select * from summed

)
{%- endmacro %}
