{{ config(materialized='fact', key='goal_id', affected='int_scheduling__affected_goals') }}
-- One row per goal that counts (neither it nor its user deleted, dates in order) and version of its target or
-- activity, in the order in which the warehouse saw them. Nothing here depends on the as-of instant.
with affected as (

    select * from {{ ref('int_scheduling__affected_goals') }}

),

goals as (

    select * from {{ ref('stg_scheduling__goals') }}

),

users as (

    select * from {{ ref('int_scheduling__users') }}

),

history as (

    select * from {{ source('control', 'goal_versions') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

goals_that_count as (

    select
        goals.goal_id,
        goals.user_id,
        users.timezone,
        coalesce(goals.category_id, {{ nil_uuid() }}) as category_id,
        goals.target_type,
        goals.time_period,
        {{ period_start('goals.time_period', 'greatest(goals.start_date, parameters.earliest_date)') }}
            as first_period_start,
        goals.end_date as last_date
    from goals
    inner join affected
        on goals.goal_id = affected.goal_id
    inner join users
        on goals.user_id = users.user_id
    cross join parameters
    where
        goals.deleted_at is null
        and (goals.end_date is null or goals.end_date >= goals.start_date)

),

-- A version is not valid before the one before it, whatever its own clock says.
versions as (

    select
        goals_that_count.*,
        history.version,
        history.target_value,
        history.is_active,
        max(history.updated_at) over by_version as valid_from,
        count(case when history.is_active then 1 end) over by_version as active_versions_so_far
    from goals_that_count
    inner join history
        on goals_that_count.goal_id = history.goal_id
    window by_version as (
        partition by goals_that_count.goal_id
        order by history.version
        rows between unbounded preceding and current row
    )

),

runs_of_inactivity as (

    select
        *,
        case
            when not is_active
                then min(case when not is_active then valid_from end)
                    over (partition by goal_id, active_versions_so_far)
        end as inactive_since
    from versions

),

compared as (

    select
        *,
        lag(target_value) over by_version as target_value_before,
        lag(is_active) over by_version as is_active_before,
        lag(inactive_since) over by_version as inactive_since_before
    from runs_of_inactivity
    window by_version as (partition by goal_id order by version)

),

-- Most changes of a goal's row are of neither: they must not dirty anything.
versions_that_differ as (

    select
        goal_id,
        user_id,
        timezone,
        category_id,
        target_type,
        time_period,
        first_period_start,
        last_date,
        version,
        valid_from,
        target_value,
        is_active,
        inactive_since,
        case
            when is_active_before is null then null
            -- An earlier pause leaves no gap: its periods appear.
            when is_active then coalesce(inactive_since_before, valid_from)
            else valid_from
        end as touches_from
    from compared
    where
        is_active_before is null
        or target_value <> target_value_before
        or is_active <> is_active_before

)

select * from versions_that_differ
