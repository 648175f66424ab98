-- One row per workflow, step and UTC week of enrolment with a day in workflow_step_metrics, from those days as they
-- will stand.
with days as (

    select * from {{ days_of_periods(
        'workflow_step_metrics_weekly', 'week', 'workflow_step_metrics',
        [
            'workflow_id', 'step_id', 'step_position', 'step_name', 'enrolled_count', 'entered_count',
            'skipped_count', 'completed_count', 'failed_count', 'dropped_count', 'open_count', 'is_mature',
        ]
    ) }} as days

),

run_periods as (

    select * from {{ run_days('workflow_step_metrics_weekly') }} as run_periods

),

visits as (

    select * from {{ ref('int_workflows__step_visits') }}

),

durations as (

    select * from {{ durations_of_periods(
        'workflow_step_metrics_weekly', 'week', 'step_id <> ' ~ nil_uuid()
    ) }} as durations

),

summed as (

    select
        workflow_id,
        step_id,
        period as week,
        -- The same on all days once the run is published; a day that is held back can still say otherwise.
        min(step_position) as step_position,
        min(step_name) as step_name,
        sum(enrolled_count)::bigint as enrolled_count,
        sum(entered_count)::bigint as entered_count,
        sum(skipped_count)::bigint as skipped_count,
        sum(completed_count)::bigint as completed_count,
        sum(failed_count)::bigint as failed_count,
        sum(dropped_count)::bigint as dropped_count,
        sum(open_count)::bigint as open_count,
        min(case when is_mature then 1 else 0 end) = 1 as is_mature,
        count(*)::bigint as _source_row_count
    from days
    group by workflow_id, step_id, period

),

contacts as (

    select
        visits.step_id,
        run_periods.date as week,
        count(distinct visits.contact_id)::bigint as unique_contacts
    from visits
    inner join run_periods
        on {{ period_of('week', 'visits.enrolled_date') }} = run_periods.date
    where visits.outcome <> 'skipped'
    group by visits.step_id, run_periods.date

),

with_the_step_before as (

    select
        *,
        lag(entered_count + skipped_count, 1, enrolled_count) over (
            partition by workflow_id, week order by step_position, step_id
        ) as came_to_previous
    from summed

),

periods as (

    select
        steps.workflow_id,
        steps.step_id,
        steps.week,
        steps.step_position,
        steps.step_name,
        steps.enrolled_count,
        steps.entered_count,
        steps.skipped_count,
        steps.completed_count,
        steps.failed_count,
        steps.dropped_count,
        steps.open_count,
        {{ ratio('steps.entered_count', 'steps.enrolled_count') }} as conversion_from_start,
        {{ ratio('steps.entered_count', 'steps.came_to_previous') }} as conversion_from_previous,
        steps.is_mature,
        coalesce(contacts.unique_contacts, 0)::bigint as unique_contacts,
        durations.avg_seconds as avg_seconds_in_step,
        durations.p50_seconds as p50_seconds_in_step,
        durations.p95_seconds as p95_seconds_in_step,
        steps._source_row_count
    from with_the_step_before as steps
    left join contacts
        on steps.step_id = contacts.step_id and steps.week = contacts.week
    left join durations
        on steps.step_id = durations.step_id and steps.week = durations.period

)

select * from periods
