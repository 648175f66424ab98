{# Periods of goals: a day, a Monday-to-Sunday week, a calendar month; named by their first day. #}

{# First day of the period that a date is in. #}
{% macro period_start(time_period, date) -%}
    case {{ time_period }}
        when 'daily' then {{ date }}
        when 'weekly' then {{ week_of(date) }}
        when 'monthly' then {{ month_of(date) }}
    end
{%- endmacro %}

{# Last day of the period that begins on a date. #}
{% macro period_end(time_period, first_day) -%}
    case {{ time_period }}
        when 'daily' then {{ first_day }}
        when 'weekly' then {{ first_day }} + 6
        when 'monthly' then {{ next_month(first_day) }} - 1
    end
{%- endmacro %}

{# Of rows (goal_id, timezone, time_period, first_period_start, last_date, touches_from, source_table): the starts of
the goals' periods that end after touches_from (all of them where it is null) and have begun as of an instant, with
the number of goals, per source_table. Columns partition_start, source_table and row_count. #}
{% macro touched_goal_periods(relation, as_of) -%}
    (
        select
            touched.date as partition_start,
            touched.source_table,
            count(distinct touched.goal_id) as row_count
        from (
            select
                goals.goal_id,
                goals.source_table,
                periods.date
            from {{ relation }} as goals
            inner join (
                select
                    days.timezone,
                    days.date,
                    time_periods.time_period
                from {{ source('control', 'local_days') }} as days
                cross join (
                    select 'daily' as time_period
                    union all
                    select 'weekly' as time_period
                    union all
                    select 'monthly' as time_period
                ) as time_periods
                where
                    days.date = {{ period_start('time_periods.time_period', 'days.date') }}
                    and {{ as_of }} >= days.starts_at
            ) as periods
                on
                    goals.timezone = periods.timezone
                    and goals.time_period = periods.time_period
                    and goals.first_period_start <= periods.date
                    and (goals.last_date is null or goals.last_date >= periods.date)
            -- No key, no look for the end of a period: most versions are a goal's first, and touch all of them.
            left join {{ source('control', 'local_days') }} as last_days
                on
                    case when goals.touches_from is not null then goals.timezone end = last_days.timezone
                    and {{ period_end('periods.time_period', 'periods.date') }} = last_days.date
            where
                goals.touches_from is null
                or last_days.ends_at is null
                or last_days.ends_at > goals.touches_from
        ) as touched
        group by touched.date, touched.source_table
    )
{%- endmacro %}
