-- One row per first day of a period and source table that changes of goals since the last plan have touched,
-- where the goals' periods were and where they are now.
with version_changes as (

    select * from {{ fact_changes('int_scheduling__goal_versions') }}

),

affected_goals as (

    select * from {{ ref('int_scheduling__affected_goals') }}

),

-- Once: the planner takes a day of a goal for a row or two, and would look for each in all goals.
changed as {{ computed_once() }} (

    select
        version_changes.goal_id,
        version_changes.timezone,
        version_changes.time_period,
        version_changes.first_period_start,
        version_changes.last_date,
        version_changes.touches_from,
        coalesce(affected_goals.source_table, 'scheduling.goals') as source_table
    from version_changes
    left join affected_goals
        on version_changes.goal_id = affected_goals.goal_id
    -- A version that is not valid yet touches nothing until it is.
    where
        version_changes.touches_from is null
        or version_changes.valid_from <= {{ latest_as_of('scheduling') }}

),

touched as (

    select * from {{ touched_goal_periods('changed', latest_as_of('scheduling')) }} as touched

)

select * from touched
