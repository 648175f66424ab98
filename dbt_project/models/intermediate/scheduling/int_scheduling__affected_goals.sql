{{ config(materialized='scratch') }}
-- One row per goal whose facts must be recomputed: its row changed, or its user's did.
with goals as (

    select * from {{ ref('stg_scheduling__goals') }}

),

goal_changes as (

    select * from {{ changes('scheduling', 'goals') }}
    where _batch_id > {{ facts_batch('scheduling') }}

),

user_changes as (

    select * from {{ changes('scheduling', 'users') }}
    where _batch_id > {{ facts_batch('scheduling') }}

),

affected as (

    select
        goal_id,
        'scheduling.goals' as source_table
    from goal_changes
    union all
    select
        goals.goal_id,
        'scheduling.users' as source_table
    from goals
    inner join user_changes
        on goals.user_id = user_changes.user_id
    union all
    select
        goal_id,
        'scheduling.goals' as source_table
    from goals
    where {{ facts_batch('scheduling') }} < 0

),

one_row_per_goal as (

    select
        goal_id,
        min(source_table) as source_table
    from affected
    group by goal_id

)

select * from one_row_per_goal
