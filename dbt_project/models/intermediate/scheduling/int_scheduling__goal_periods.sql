-- One row per goal and period of the run that the goal has a row for, with the target in effect and where the period
-- stands. Whole periods count, also where the goal starts or ends inside one.
with versions as (

    select * from {{ ref('int_scheduling__goal_versions') }}

),

zones_now as (

    select * from {{ ref('int_scheduling__zones_now') }}

),

local_days as (

    select * from {{ source('control', 'local_days') }}

),

run_dates as (

    select * from {{ run_days('goal_progress_snapshots') }} as run_dates

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

-- As of this run: the versions valid by then, or the earliest one.
known as (

    select
        versions.*,
        lead(versions.valid_from) over by_version as next_valid_from,
        last_value(versions.inactive_since) over (
            partition by versions.goal_id
            order by versions.version
            rows between unbounded preceding and unbounded following
        ) as inactive_now_since
    from versions
    cross join parameters
    where
        versions.touches_from is null
        or versions.valid_from <= parameters.as_of
    window by_version as (partition by versions.goal_id order by versions.version)

),

periods as (

    select
        run_dates.date as period_start,
        time_periods.time_period,
        {{ period_end('time_periods.time_period', 'run_dates.date') }} as period_end
    from run_dates
    cross join (
        select 'daily' as time_period
        union all
        select 'weekly' as time_period
        union all
        select 'monthly' as time_period
    ) as time_periods
    where run_dates.date = {{ period_start('time_periods.time_period', 'run_dates.date') }}

),

-- Per zone, not per goal: there are few of them. A period that ends after the last window there is has not ended.
zone_periods as {{ computed_once() }} (

    select
        zones_now.timezone,
        periods.time_period,
        periods.period_start,
        periods.period_end,
        first_days.starts_at,
        last_days.ends_at,
        coalesce(last_days.ends_at <= parameters.as_of, false) as has_ended,
        greatest(zones_now.today - periods.period_start, 0) as elapsed_days,
        periods.period_end - periods.period_start + 1 as length_days
    from periods
    cross join zones_now
    cross join parameters
    inner join local_days as first_days
        on
            zones_now.timezone = first_days.timezone
            and periods.period_start = first_days.date
            and parameters.as_of >= first_days.starts_at
    left join local_days as last_days
        on
            zones_now.timezone = last_days.timezone
            and periods.period_end = last_days.date

),

goal_periods as (

    select
        known.goal_id,
        known.user_id,
        known.category_id,
        known.target_type,
        known.time_period,
        zone_periods.period_start,
        zone_periods.period_end,
        known.target_value,
        zone_periods.has_ended,
        zone_periods.elapsed_days,
        zone_periods.length_days
    from known
    inner join zone_periods
        on
            known.timezone = zone_periods.timezone
            and known.time_period = zone_periods.time_period
            and known.first_period_start <= zone_periods.period_start
            and (known.last_date is null or known.last_date >= zone_periods.period_start)
    where
        -- The target at the end of the period: the last version valid before it. Open: the last one known.
        case
            when not zone_periods.has_ended then known.next_valid_from is null
            else
                (known.touches_from is null or known.valid_from < zone_periods.ends_at)
                and (known.next_valid_from is null or known.next_valid_from >= zone_periods.ends_at)
        end
        -- The last row of an inactive goal is the period in which it became inactive, once it has ended.
        and (
            known.inactive_now_since is null
            or (zone_periods.has_ended and zone_periods.starts_at <= known.inactive_now_since)
        )

)

select * from goal_periods
