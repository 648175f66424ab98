-- One row per workflow and UTC week with a day in workflow_analytics, from those days as they will stand.
with days as (

    select * from {{ days_of_periods(
        'workflow_analytics_weekly', 'week', 'workflow_analytics',
        [
            'workflow_id', 'enrolled_count', 'completed_count', 'failed_count', 'exited_count', 'goal_count',
            'active_count', 'cohort_converted_count',
        ]
    ) }} as days

),

executions as (

    select * from {{ days_of_periods(
        'workflow_analytics_weekly', 'week', 'workflow_executions', ['workflow_id', 'contact_id'], 'enrolled_date'
    ) }} as executions

),

durations as (

    select * from {{ durations_of_periods(
        'workflow_analytics_weekly', 'week', 'step_id = ' ~ nil_uuid()
    ) }} as durations

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

summed as (

    select
        days.workflow_id,
        days.period as week,
        sum(days.enrolled_count)::bigint as enrolled_count,
        sum(days.completed_count)::bigint as completed_count,
        sum(days.failed_count)::bigint as failed_count,
        sum(days.exited_count)::bigint as exited_count,
        sum(days.goal_count)::bigint as goal_count,
        -- At the end of the period, or of the last day that exists.
        coalesce(
            max(
                case
                    when days.date = least({{ next_period('week', 'days.period') }} - 1, parameters.last_date)
                        then days.active_count
                end
            ),
            0
        )::bigint as active_count,
        sum(days.cohort_converted_count)::bigint as cohort_converted_count,
        count(*)::bigint as _source_row_count
    from days
    cross join parameters
    group by days.workflow_id, days.period

),

contacts as (

    select
        workflow_id,
        period as week,
        count(distinct contact_id)::bigint as unique_contacts
    from executions
    group by workflow_id, period

),

periods as (

    select
        summed.workflow_id,
        summed.week,
        summed.enrolled_count,
        summed.completed_count,
        summed.failed_count,
        summed.exited_count,
        summed.goal_count,
        summed.active_count,
        summed.cohort_converted_count,
        {{ ratio('summed.cohort_converted_count', 'summed.enrolled_count') }} as conversion_rate,
        coalesce(contacts.unique_contacts, 0)::bigint as unique_contacts,
        durations.avg_seconds as avg_duration_seconds,
        durations.p50_seconds as p50_duration_seconds,
        durations.p95_seconds as p95_duration_seconds,
        summed._source_row_count
    from summed
    left join contacts
        on summed.workflow_id = contacts.workflow_id and summed.week = contacts.week
    left join durations
        on summed.workflow_id = durations.workflow_id and summed.week = durations.period

)

select * from periods
