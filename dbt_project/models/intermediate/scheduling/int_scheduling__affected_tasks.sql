{{ config(materialized='scratch') }}
-- One row per task whose facts must be recomputed: its row changed, or its user's did.
with tasks as (

    select * from {{ ref('stg_scheduling__tasks') }}

),

task_changes as (

    select * from {{ changes('scheduling', 'tasks') }}
    where _batch_id > {{ facts_batch('scheduling') }}

),

user_changes as (

    select * from {{ changes('scheduling', 'users') }}
    where _batch_id > {{ facts_batch('scheduling') }}

),

affected as (

    select
        task_id,
        'scheduling.tasks' as source_table
    from task_changes
    union all
    select
        tasks.task_id,
        'scheduling.users' as source_table
    from tasks
    inner join user_changes
        on tasks.user_id = user_changes.user_id
    union all
    select
        task_id,
        'scheduling.tasks' as source_table
    from tasks
    where {{ facts_batch('scheduling') }} < 0

),

one_row_per_task as (

    select
        task_id,
        min(source_table) as source_table
    from affected
    group by task_id

)

select * from one_row_per_task
