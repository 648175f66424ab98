-- One row: the first date that any fact or any period of a goal can fall on in any zone (null without any).
with task_slots as (

    select min(starts_at) as first_at from {{ ref('int_scheduling__task_slots') }}
    where reason is null

),

focus_slots as (

    select min(starts_at) as first_at from {{ ref('int_scheduling__focus_slots') }}
    where reason is null

),

completions as (

    select min(completed_at) as first_at from {{ ref('int_scheduling__completions') }}
    where reason is null

),

goals as (

    select min(first_period_start) as first_date from {{ ref('int_scheduling__goal_versions') }}

),

earliest as (

    select least(task_slots.first_at, focus_slots.first_at, completions.first_at) as first_at
    from task_slots
    cross join focus_slots
    cross join completions

),

first_day as (

    select
        -- The day before in UTC: there it is still yesterday somewhere. No zone is further behind than a day.
        least({{ utc_date('earliest.first_at') }} - 1, goals.first_date) as first_date
    from earliest
    cross join goals

)

select * from first_day
