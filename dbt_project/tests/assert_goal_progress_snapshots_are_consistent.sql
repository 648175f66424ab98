{{ config(severity='error', meta={'mart': 'goal_progress_snapshots'}) }}
-- Percentages and states follow from achieved and target, and periods are days, weeks or months of the user's own
-- zone that have begun. A row names the first rule that it violates. That what was achieved is the sum of the days is
-- an equation of the reconciliation.
with snapshots as (

    select * from {{ ref('goal_progress_snapshots') }}
    where period_start in (select run_dates.date from {{ run_days('goal_progress_snapshots') }} as run_dates)

),

goals as (

    select * from {{ ref('int_scheduling__goal_versions') }}
    where touches_from is null

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

last_days as (

    select * from {{ source('control', 'local_days') }}

),

rows_judged as (

    select
        snapshots.period_start as partition_start,
        case
            when goals.goal_id is null then 'neither the goal nor its user is deleted'
            when snapshots.period_start <> {{ period_start('goals.time_period', 'snapshots.period_start') }}
                then 'period_start begins a period of the goal'
            when snapshots.period_end <> {{ period_end('goals.time_period', 'snapshots.period_start') }}
                then 'period_end ends the period that period_start begins'
            when snapshots.period_start < goals.first_period_start or snapshots.period_start > goals.last_date
                then 'the period overlaps the dates of the goal'
            when snapshots.status not in ('achieved', 'missed', 'on_track', 'at_risk', 'behind')
                then 'status is one of five'
            when snapshots.target_value < 1 then 'target_value is positive'
            when
                snapshots.percent_complete
                <> least(999.99, round(100::numeric * snapshots.achieved_value / snapshots.target_value, 2))
                then 'percent_complete = 100 × achieved_value / target_value, at most 999.99'
            when (snapshots.status = 'achieved') <> (snapshots.achieved_value >= snapshots.target_value)
                then 'achieved where achieved_value >= target_value, and only there'
            when last_days.ends_at <= parameters.as_of and snapshots.status not in ('achieved', 'missed')
                then 'a period that has ended is achieved or missed'
            when snapshots.status = 'missed' and coalesce(last_days.ends_at > parameters.as_of, true)
                then 'a period that is open is not missed yet'
        end as violation,
        snapshots.goal_id
    from snapshots
    cross join parameters
    left join goals
        on
            snapshots.goal_id = goals.goal_id
            and snapshots.user_id = goals.user_id
    left join last_days
        on
            goals.timezone = last_days.timezone
            and snapshots.period_end = last_days.date

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
