-- One row per mart and partition that only the clock makes due: what is true of it has changed between the as-of
-- instants that partitions stand as of and that of this run, though no row has.
with versions as (

    select * from {{ ref('int_scheduling__goal_versions') }}

),

users as (

    select * from {{ ref('int_scheduling__users') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

applications as (

    select * from {{ source('control', 'applications') }}
    where application = 'scheduling'

),

local_days as (

    select * from {{ source('control', 'local_days') }}

),

publications as (

    select * from {{ source('control', 'publications') }}
    where mart = 'goal_progress_snapshots'

),

-- From and to: nulls before anything was published.
passed as (

    select
        least(applications.oldest_as_of, parameters.as_of) as after_at,
        greatest(applications.newest_as_of, parameters.as_of) as through_at,
        applications.oldest_as_of is null as is_first,
        applications.newest_as_of > parameters.as_of as is_rewind,
        parameters.as_of
    from applications
    cross join parameters

),

zones_in_use as (

    select distinct timezone from users

),

-- Of a handful of windows per zone, found by index: nine years of them are not read.
midnights_passed as (

    select
        zones_in_use.timezone,
        local_days.date
    from zones_in_use
    cross join passed
    inner join local_days
        on
            zones_in_use.timezone = local_days.timezone
            and passed.through_at >= local_days.starts_at
            and (passed.is_first or passed.after_at < local_days.starts_at)

),

goals_by_zone as (

    select
        timezone,
        time_period,
        min(first_period_start) as first_period_start,
        max(coalesce(last_date, date '9999-12-31')) as last_date
    from versions
    group by timezone, time_period

),

-- A midnight begins one day and ends another; both are in a period that is no longer what it was.
periods_moved_on as (

    select {{ period_start('goals_by_zone.time_period', 'midnights_passed.date') }} as partition_start
    from midnights_passed
    inner join goals_by_zone
        on
            midnights_passed.timezone = goals_by_zone.timezone
            and midnights_passed.date >= goals_by_zone.first_period_start
            and {{ period_start('goals_by_zone.time_period', 'midnights_passed.date') }} <= goals_by_zone.last_date
    union
    select {{ period_start('goals_by_zone.time_period', '(midnights_passed.date - 1)') }} as partition_start
    from midnights_passed
    inner join goals_by_zone
        on
            midnights_passed.timezone = goals_by_zone.timezone
            and midnights_passed.date - 1 >= goals_by_zone.first_period_start
            and {{ period_start('goals_by_zone.time_period', '(midnights_passed.date - 1)') }}
            <= goals_by_zone.last_date

),

versions_now_valid as (

    select
        versions.goal_id,
        versions.timezone,
        versions.time_period,
        versions.first_period_start,
        versions.last_date,
        versions.touches_from,
        'scheduling.goals' as source_table
    from versions
    cross join passed
    where
        versions.touches_from is not null
        and versions.valid_from <= passed.through_at
        and (passed.is_first or versions.valid_from > passed.after_at)

),

-- Back in time: whatever had begun to be published as of later than now.
periods_moved_back as (

    select publications.partition_start
    from publications
    cross join passed
    where
        passed.is_rewind
        and publications.partition_start >= {{ utc_date('passed.as_of') }} - 33

),

due as (

    select
        'goal_progress_snapshots' as mart,
        periods_moved_on.partition_start
    from periods_moved_on
    union
    select
        'goal_progress_snapshots' as mart,
        touched.partition_start
    from {{ touched_goal_periods('versions_now_valid', '(select through_at from passed)') }} as touched
    union
    select
        'goal_progress_snapshots' as mart,
        periods_moved_back.partition_start
    from periods_moved_back
    union
    select
        'quick_stats' as mart,
        null as partition_start
    from midnights_passed

)

select * from due
