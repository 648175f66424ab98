-- One row per goal and period that has begun.
with goal_periods as (

    select * from {{ ref('int_scheduling__goal_periods') }}

),

measures as (

    select * from {{ ref('int_scheduling__goal_measures') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

achieved as (

    select
        goal_periods.*,
        coalesce(
            case goal_periods.target_type
                when 'minutes' then measures.scheduled_minutes
                when 'task_count' then measures.completed_tasks_count
                when 'percentage'
                    then round(
                        100::numeric
                        * case
                            when goal_periods.category_id = {{ nil_uuid() }} then measures.focus_minutes
                            else measures.scheduled_minutes
                        end
                        / nullif(measures.scheduled_minutes_of_all, 0)
                    )
            end,
            0
        )::bigint as achieved_value,
        coalesce(measures.days_count, 0) as days_count
    from goal_periods
    left join measures
        on
            goal_periods.user_id = measures.user_id
            and goal_periods.category_id = measures.category_id
            and goal_periods.time_period = measures.time_period
            and goal_periods.period_start = measures.period_start

),

judged as (

    select
        {{ uuid3(
            'goal_progress_snapshots',
            "goal_id::text || '/' || period_start::text || '/' || period_end::text"
        ) }} as snapshot_id,
        user_id,
        goal_id,
        period_start,
        period_end,
        achieved_value::integer as achieved_value,
        target_value,
        least(999.99, round(100::numeric * achieved_value / target_value, 2))::numeric(5, 2) as percent_complete,
        case
            when has_ended and achieved_value >= target_value then 'achieved'
            when has_ended then 'missed'
            when achieved_value >= target_value then 'achieved'
            when achieved_value * length_days >= elapsed_days::bigint * target_value then 'on_track'
            when 2 * achieved_value * length_days >= elapsed_days::bigint * target_value then 'at_risk'
            else 'behind'
        end as status,
        (1 + days_count)::bigint as _source_row_count
    from achieved

),

stamped as (

    select
        judged.snapshot_id,
        judged.user_id,
        judged.goal_id,
        judged.period_start,
        judged.period_end,
        judged.achieved_value,
        judged.target_value,
        judged.percent_complete,
        judged.status,
        parameters.built_at as taken_at,
        judged._source_row_count
    from judged
    cross join parameters

)

select * from stamped
