{# Weeks and months of the workflows application: the marts, made from days as they will stand, and what must hold. #}

{# Days of a mart in the run's weeks or months, as they will stand, with the period that each is in. #}
{% macro days_of_periods(mart, period, from_mart, columns, date_column='date') -%}
    (
        select
            days.*,
            periods.date as period
        from
            {{ standing(
                from_mart,
                columns + [date_column],
                '(select min(periods.date) from ' ~ run_days(mart) ~ ' as periods)',
                '(select ' ~ next_period(period, 'max(periods.date)') ~ ' from ' ~ run_days(mart) ~ ' as periods)',
                date_column,
                rebuilt_are_in_range=true
            ) }} as days
        inner join {{ run_days(mart) }} as periods
            on {{ period_of(period, 'days.' ~ date_column) }} = periods.date
    )
{%- endmacro %}

{# Per workflow, step and period: how many durations, their exact sum, and the two ends of each percentile among
the representatives of buckets, each repeated by its count. Ranks count from 0, as percentile_cont does. #}
{% macro durations_of_periods(mart, period, condition) -%}
    (
        with buckets as (

            select
                workflow_id,
                step_id,
                period,
                bucket,
                representative_seconds,
                sum(count) as bucket_count,
                sum(total_microseconds) as total_microseconds
            from {{ days_of_periods(
                mart, period, 'duration_histogram',
                ['workflow_id', 'step_id', 'bucket', 'representative_seconds', 'count', 'total_microseconds']
            ) }} as days
            where {{ condition }}
            group by workflow_id, step_id, period, bucket, representative_seconds

        ),

        ranked as (

            select
                *,
                sum(bucket_count) over (partition by workflow_id, step_id, period order by bucket) as ranks_through,
                sum(bucket_count) over (partition by workflow_id, step_id, period) as duration_count
            from buckets

        ),

        ends as (

            select
                workflow_id,
                step_id,
                period,
                max(duration_count) as duration_count,
                sum(total_microseconds) as total_microseconds
                {%- for name, fraction in [('p50', 0.5), ('p95', 0.95)] %},
                {%- set place -%} ({{ fraction }}::double precision * (duration_count - 1)::double precision) {%- endset %}
                max({{ place }}) as {{ name }}_place,
                min(case when ranks_through > floor({{ place }}) then representative_seconds end) as {{ name }}_below,
                min(case when ranks_through > ceil({{ place }}) then representative_seconds end) as {{ name }}_above
                {%- endfor %}
            from ranked
            group by workflow_id, step_id, period

        )

        select
            workflow_id,
            step_id,
            period,
            duration_count,
            {{ average_seconds('total_microseconds', 'duration_count') }} as avg_seconds,
            p50_below + (p50_place - floor(p50_place)) * (p50_above - p50_below) as p50_seconds,
            p95_below + (p95_place - floor(p95_place)) * (p95_above - p95_below) as p95_seconds
        from ends
    )
{%- endmacro %}

{# A mart of weeks or months (period names its date column) made from workflow_analytics. #}
{% macro workflow_analytics_of_periods(mart, period) -%}
with days as (

    select * from {{ days_of_periods(
        mart, period, 'workflow_analytics',
        [
            'workflow_id', 'enrolled_count', 'completed_count', 'failed_count', 'exited_count', 'goal_count',
            'active_count', 'cohort_converted_count',
        ]
    ) }} as days

),

executions as (

    select * from {{ days_of_periods(
        mart, period, 'workflow_executions', ['workflow_id', 'contact_id'], 'enrolled_date'
    ) }} as executions

),

durations as (

    select * from {{ durations_of_periods(mart, period, 'step_id = ' ~ nil_uuid()) }} as durations

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

summed as (

    select
        days.workflow_id,
        days.period,
        sum(days.enrolled_count)::bigint as enrolled_count,
        sum(days.completed_count)::bigint as completed_count,
        sum(days.failed_count)::bigint as failed_count,
        sum(days.exited_count)::bigint as exited_count,
        sum(days.goal_count)::bigint as goal_count,
        -- At the end of the period, or of the last day that exists.
        coalesce(
            max(
                case
                    when days.date = least({{ next_period(period, 'days.period') }} - 1, parameters.last_date)
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
        period,
        count(distinct contact_id)::bigint as unique_contacts
    from executions
    group by workflow_id, period

),

periods as (

    select
        summed.workflow_id,
        summed.period as {{ period }},
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
        on summed.workflow_id = contacts.workflow_id and summed.period = contacts.period
    left join durations
        on summed.workflow_id = durations.workflow_id and summed.period = durations.period

)

select * from periods
{%- endmacro %}

{# A mart of weeks or months (period names its date column) made from workflow_step_metrics. #}
{% macro workflow_step_metrics_of_periods(mart, period, visits) -%}
with days as (

    select * from {{ days_of_periods(
        mart, period, 'workflow_step_metrics',
        [
            'workflow_id', 'step_id', 'step_position', 'step_name', 'enrolled_count', 'entered_count',
            'skipped_count', 'completed_count', 'failed_count', 'dropped_count', 'open_count', 'is_mature',
        ]
    ) }} as days

),

run_periods as (

    select * from {{ run_days(mart) }} as run_periods

),

visits as (

    select * from {{ visits }}

),

durations as (

    select * from {{ durations_of_periods(mart, period, 'step_id <> ' ~ nil_uuid()) }} as durations

),

summed as (

    select
        workflow_id,
        step_id,
        period,
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
        run_periods.date as period,
        count(distinct visits.contact_id)::bigint as unique_contacts
    from visits
    inner join run_periods
        on {{ period_of(period, 'visits.enrolled_date') }} = run_periods.date
    where visits.outcome <> 'skipped'
    group by visits.step_id, run_periods.date

),

with_the_step_before as (

    select
        *,
        lag(entered_count + skipped_count, 1, enrolled_count) over (
            partition by workflow_id, period order by step_position, step_id
        ) as came_to_previous
    from summed

),

periods as (

    select
        steps.workflow_id,
        steps.step_id,
        steps.period as {{ period }},
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
        on steps.step_id = contacts.step_id and steps.period = contacts.period
    left join durations
        on steps.step_id = durations.step_id and steps.period = durations.period

)

select * from periods
{%- endmacro %}

{# Rows of a mart of weeks or months, as workflow_analytics_of_periods makes them, that violate a rule. #}
{% macro workflow_analytics_violations(mart, period) -%}
with metrics as (

    select * from {{ ref(mart) }}
    where {{ period }} in (select run_periods.date from {{ run_days(mart) }} as run_periods)

),

rows_judged as (

    select
        {{ period }} as partition_start,
        case
            when cohort_converted_count > enrolled_count then 'cohort_converted_count <= enrolled_count'
            when
                (conversion_rate is null) <> (enrolled_count = 0)
                or conversion_rate <> {{ ratio('cohort_converted_count', 'enrolled_count') }}
                then 'conversion_rate = cohort_converted_count / enrolled_count'
            when unique_contacts > enrolled_count then 'unique_contacts <= enrolled_count'
            when unique_contacts = 0 and enrolled_count > 0 then 'who is enrolled is a contact'
            when
                (avg_duration_seconds is null) <> (completed_count = 0)
                or (p50_duration_seconds is null) <> (completed_count = 0)
                or (p95_duration_seconds is null) <> (completed_count = 0)
                then 'durations are null where nothing completed, and only there'
            when least(avg_duration_seconds, p50_duration_seconds) < 0 then 'durations are not negative'
            when p50_duration_seconds > p95_duration_seconds then 'p50_duration_seconds <= p95_duration_seconds'
        end as violation,
        workflow_id
    from metrics

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
{%- endmacro %}

{# Weeks or months with a day of a mart that is dirty and that this run does not build, or holds back: what is made
from them is of days before and after a change, and of facts that know it already. The next run makes them whole. #}
{% macro mixed_periods(period, from_mart) -%}
    (
        select distinct {{ period_of(period, 'days.partition_start') }} as date
        from (
            select late_data.partition_start
            from {{ source('control', 'late_data') }} as late_data
            where late_data.mart = '{{ from_mart }}' and late_data.state = 'pending'
            union all
            select run_partitions.partition_start
            from {{ source('control', 'run_partitions') }} as run_partitions
            where run_partitions.mart = '{{ from_mart }}' and run_partitions.is_held_back
        ) as days
        where
            days.partition_start not in (
                select run_partitions.partition_start
                from {{ source('control', 'run_partitions') }} as run_partitions
                where run_partitions.mart = '{{ from_mart }}' and not run_partitions.is_held_back
            )
    )
{%- endmacro %}

{# Rows of a mart of funnels, by day (period: date), week or month, that violate a rule. What holds of the days of one
version of a workflow's steps need not hold of a period that mixes two. #}
{% macro funnel_violations(mart, period) -%}
with {% if period != 'date' %}mixed_periods as (

    select * from {{ mixed_periods(period, 'workflow_step_metrics') }} as mixed_periods

),

{% endif %}metrics as (

    select
        *,
        {% if period == 'date' %}false{% else %}{{ period }} in (select mixed_periods.date from mixed_periods){% endif %}
            as is_mixed,
        lag(entered_count + skipped_count, 1, enrolled_count) over (
            partition by workflow_id, {{ period }} order by step_position, step_id
        ) as came_to_previous
    from {{ ref(mart) }}
    where {{ period }} in (select run_periods.date from {{ run_days(mart) }} as run_periods)

),

rows_judged as (

    select
        {{ period }} as partition_start,
        case
            when entered_count <> completed_count + failed_count + dropped_count + open_count
                then 'entered = completed + failed + dropped + open'
            when entered_count + skipped_count > came_to_previous and not is_mixed
                then 'entered + skipped <= entered + skipped of the step before, or enrolled'
            when enrolled_count = 0 then 'somebody is enrolled'
            when open_count > 0 and is_mature then 'nothing is open in a mature cohort'
            when
                conversion_from_start is null
                or conversion_from_start <> {{ ratio('entered_count', 'enrolled_count') }}
                then 'conversion_from_start = entered / enrolled'
            when
                (conversion_from_previous is null) <> (came_to_previous = 0)
                or conversion_from_previous <> {{ ratio('entered_count', 'came_to_previous') }}
                then 'conversion_from_previous = entered / (entered + skipped of the step before, or enrolled)'
            {% if period != 'date' %}
            when unique_contacts > entered_count and not is_mixed then 'unique_contacts <= entered_count'
            when unique_contacts = 0 and entered_count > 0 and not is_mixed then 'who enters is a contact'
            {% endif %}
            when
                (avg_seconds_in_step is null) <> (completed_count = 0)
                or (p50_seconds_in_step is null) <> (completed_count = 0)
                or (p95_seconds_in_step is null) <> (completed_count = 0)
                then 'times are null where nobody completed, and only there'
            when least(avg_seconds_in_step, p50_seconds_in_step) < 0 then 'times are not negative'
            when p50_seconds_in_step > p95_seconds_in_step then 'p50_seconds_in_step <= p95_seconds_in_step'
        end as violation,
        workflow_id,
        step_id
    from metrics

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
{%- endmacro %}
