{# What several models of the workflows application share: event types, and weeks and months. #}

{# Types of events by which an execution passes through a funnel. #}
{% macro step_event_types() -%}
    {{ return(['step_entered', 'step_completed', 'step_failed', 'step_skipped']) }}
{%- endmacro %}

{# Types of events that workflow_action_metrics counts, and its columns. #}
{% macro action_event_types() -%}
    {{ return({
        'action_started': 'attempted_count',
        'action_succeeded': 'succeeded_count',
        'action_failed': 'failed_count',
        'message_delivered': 'delivered_count',
        'message_opened': 'opened_count',
        'message_clicked': 'clicked_count',
    }) }}
{%- endmacro %}

{% macro known_event_types() -%}
    {{ quoted(step_event_types() + action_event_types().keys() | list) }}
{%- endmacro %}

{% macro quoted(texts) -%}
    '{{ texts | join("', '") }}'
{%- endmacro %}

{# Rows that were quarantined for a reason when the last run looked, as (row_key). #}
{% macro quarantined_rows(table, reason) -%}
    (
        select quarantine.row_key
        from {{ source('quality', 'quarantine') }} as quarantine
        where
            quarantine.source_table = '{{ table }}'
            and quarantine.reason = '{{ reason }}'
            and quarantine.released_at is null
    )
{%- endmacro %}

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
