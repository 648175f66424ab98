{{ config(severity='error', meta={'mart': 'workflow_executions'}) }}
-- The instants of an execution agree with each other and with what is derived from them. A row names the first
-- rule that it violates.
with executions as (

    select * from {{ ref('workflow_executions') }}
    where enrolled_date in (select run_days.date from {{ run_days('workflow_executions') }} as run_days)

),

executions_judged as (

    select
        enrolled_date as partition_start,
        case
            when enrolled_date <> {{ utc_date('enrolled_at') }} then 'enrolled_date is the UTC date of enrolled_at'
            when ended_at < enrolled_at then 'ended_at >= enrolled_at'
            when (duration_seconds is null) <> (ended_at is null)
                then 'duration_seconds is null where ended_at is null, and only there'
            when duration_seconds <> {{ seconds(microseconds_between('enrolled_at', 'ended_at')) }}
                then 'duration_seconds = ended_at - enrolled_at'
            -- Whether the goal or the completion decides depends on the workflow; without either, neither can.
            when is_converted and goal_reached_at is null and status <> 'completed'
                then 'what converts has reached its goal or is completed'
        end as violation,
        execution_id
    from executions

),

violations as (

    select * from executions_judged
    where violation is not null

)

select * from violations
