{{ config(severity='error', meta={'mart': 'kpi_goal_snapshots'}) }}
-- What a snapshot says of a goal fits together. A row names the first rule that it violates. That values are sums of
-- the source is an equation of the reconciliation.
with run_days as (

    select * from {{ run_days('kpi_goal_snapshots') }} as run_days

),

snapshots as (

    select
        snapshots.*,
        goals.start_date,
        goals.end_date,
        goals.is_cancelled,
        goals.threshold,
        goals.target,
        count(case when snapshots.alert then 1 end) over (partition by snapshots.goal_id) as alerts
    from {{ ref('kpi_goal_snapshots') }} as snapshots
    left join {{ ref('int_services__kpi_goals') }} as goals
        on snapshots.goal_id = goals.goal_id
    where snapshots.date in (select run_days.date from run_days)

),

rows_judged as (

    select
        goal_id,
        date as partition_start,
        case
            when start_date is null or date < start_date or date > end_date then 'the date is a day of the goal'
            when
                abs(progress_percentage * target - 100 * current_value) > target / 100
                then 'progress_percentage = 100 × current_value / target_value'
            when
                abs(expected_percentage * (end_date - start_date + 1) - 100 * (date - start_date + 1))
                > (end_date - start_date + 1) / 100.0
                then 'expected_percentage = 100 × days so far / days of the goal'
            when
                on_track <> (current_value * (end_date - start_date + 1) >= (date - start_date + 1) * target)
                then 'on_track: current_value / target_value >= days so far / days of the goal'
            when
                (daily_required is null) <> (date = end_date)
                then 'daily_required is null on the last day, and only there'
            when daily_required < 0 then 'daily_required >= 0'
            when
                daily_required = 0 and current_value < target and (target - current_value) > 1
                then 'what is left is required'
            when
                (forecast_value is null) <> (date = start_date)
                then 'forecast_value is null on the first day, and only there'
            when
                (forecast_lower is null) <> (date - start_date < 2)
                or (forecast_upper is null) <> (date - start_date < 2)
                then 'the interval is null below three days, and only there'
            when
                forecast_lower > forecast_value or forecast_value > forecast_upper
                then 'forecast_lower <= forecast_value <= forecast_upper'
            when
                status not in ('active', 'achieved', 'failed', 'cancelled') or (status = 'cancelled') <> is_cancelled
                then 'status is active, achieved, failed or cancelled'
            when
                status = 'failed' and (date <> end_date or current_value >= target)
                then 'a goal fails on its last day only'
            when
                status = 'active' and (date = end_date or current_value >= target)
                then 'a goal that is reached or over is not active'
            when
                projected_completion_date <= date and status in ('active', 'failed')
                then 'a goal not achieved is projected to be after the date'
            when
                alert and not coalesce(progress_percentage >= threshold, false)
                then 'an alert has reached its threshold'
            when alerts > 1 then 'a goal alerts once'
        end as violation
    from snapshots

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
