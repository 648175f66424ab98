-- One row per workflow, step and UTC day of enrolment with any execution enrolled.
with executions as (

    select * from {{ ref('int_workflows__usable_executions') }}

),

steps as (

    select * from {{ ref('int_workflows__steps') }}

),

visits as (

    select * from {{ ref('int_workflows__step_visits') }}

),

run_days as (

    select * from {{ run_days('workflow_step_metrics') }} as run_days

),

cohorts as (

    select
        executions.workflow_id,
        executions.enrolled_date as date,
        count(*) as enrolled_count,
        count(executions.ended_at) = count(*) as is_mature
    from executions
    inner join run_days
        on executions.enrolled_date = run_days.date
    group by executions.workflow_id, executions.enrolled_date

),

passed as (

    select
        visits.step_id,
        visits.enrolled_date as date,
        count(case when visits.outcome <> 'skipped' then 1 end) as entered_count,
        count(case when visits.outcome = 'skipped' then 1 end) as skipped_count,
        count(case when visits.outcome = 'completed' then 1 end) as completed_count,
        count(case when visits.outcome = 'failed' then 1 end) as failed_count,
        count(case when visits.outcome = 'dropped' then 1 end) as dropped_count,
        count(case when visits.outcome = 'open' then 1 end) as open_count,
        {{ average_seconds('sum(visits.microseconds_in_step)', 'count(visits.microseconds_in_step)') }}
            as avg_seconds_in_step,
        {{ percentile_cont(0.5, seconds('visits.microseconds_in_step')) }} as p50_seconds_in_step,
        {{ percentile_cont(0.95, seconds('visits.microseconds_in_step')) }} as p95_seconds_in_step
    from visits
    inner join run_days
        on visits.enrolled_date = run_days.date
    group by visits.step_id, visits.enrolled_date

),

funnels as (

    select
        cohorts.workflow_id,
        steps.step_id,
        cohorts.date,
        steps.position as step_position,
        steps.name as step_name,
        cohorts.enrolled_count,
        coalesce(passed.entered_count, 0) as entered_count,
        coalesce(passed.skipped_count, 0) as skipped_count,
        coalesce(passed.completed_count, 0) as completed_count,
        coalesce(passed.failed_count, 0) as failed_count,
        coalesce(passed.dropped_count, 0) as dropped_count,
        coalesce(passed.open_count, 0) as open_count,
        cohorts.is_mature,
        passed.avg_seconds_in_step,
        passed.p50_seconds_in_step,
        passed.p95_seconds_in_step,
        lag(coalesce(passed.entered_count, 0) + coalesce(passed.skipped_count, 0), 1, cohorts.enrolled_count) over (
            partition by cohorts.workflow_id, cohorts.date order by steps.position
        ) as came_to_previous
    from cohorts
    inner join steps
        on cohorts.workflow_id = steps.workflow_id
    left join passed
        on steps.step_id = passed.step_id and cohorts.date = passed.date

),

measures as (

    select
        workflow_id,
        step_id,
        date,
        step_position,
        step_name,
        enrolled_count::bigint as enrolled_count,
        entered_count::bigint as entered_count,
        skipped_count::bigint as skipped_count,
        completed_count::bigint as completed_count,
        failed_count::bigint as failed_count,
        dropped_count::bigint as dropped_count,
        open_count::bigint as open_count,
        {{ ratio('entered_count', 'enrolled_count') }} as conversion_from_start,
        {{ ratio('entered_count', 'came_to_previous') }} as conversion_from_previous,
        is_mature,
        avg_seconds_in_step,
        p50_seconds_in_step,
        p95_seconds_in_step,
        enrolled_count::bigint as _source_row_count
    from funnels

)

select * from measures
