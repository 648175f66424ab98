{# The days of a mart that the current run builds, through the last day that exists. #}
{% macro run_days(mart) -%}
    (
        select run_partitions.partition_start as date
        from {{ source('control', 'run_partitions') }} as run_partitions
        inner join {{ source('control', 'current_run') }} as current_run
            -- Nearly all are: of "<=" with a value that it does not know a planner expects a third.
            on (run_partitions.partition_start > current_run.last_date) is not true
        where run_partitions.mart = '{{ mart }}'
    )
{%- endmacro %}

{# The latest instant that a partition of the application stands as of, or will: this run's, or where that goes back
and does not build all, that of what is published. What a changed row touches is dirty up to there. #}
{% macro latest_as_of(application) -%}
    (
        select greatest(current_run.as_of, applications.newest_as_of)
        from {{ source('control', 'current_run') }} as current_run
        cross join {{ source('control', 'applications') }} as applications
        where applications.application = '{{ application }}'
    )
{%- endmacro %}

{# Rows of a daily mart, all or those from one date to before another, as they will stand after this run: the days
that it rebuilds and that have not failed a check, and the published rows of all others. Where what reads them joins
the periods that it builds, all rebuilt days are in the range, and saying so would only mislead the planner. #}
{% macro standing(mart, columns, first=none, after=none, date_column='date', rebuilt_are_in_range=false) -%}
    {%- set rebuilt_days -%}
        select run_partitions.partition_start
        from {{ source('control', 'run_partitions') }} as run_partitions
        where run_partitions.mart = '{{ mart }}' and not run_partitions.is_held_back
    {%- endset -%}
    (
        select {{ columns | join(', ') }}
        from {{ ref(mart) }} as rebuilt
        where
            {% if first is not none and not rebuilt_are_in_range %}
            rebuilt.{{ date_column }} >= {{ first }}
            and rebuilt.{{ date_column }} < {{ after }}
            and
            {% endif %}
            rebuilt.{{ date_column }} in ({{ rebuilt_days }})
        union all
        select {{ columns | join(', ') }}
        from {{ source('marts', mart) }} as published
        where
            {% if first is not none %}
            published.{{ date_column }} >= {{ first }}
            and published.{{ date_column }} < {{ after }}
            and
            {% endif %}
            not exists (
                select 1
                from {{ source('control', 'run_partitions') }} as run_partitions
                where
                    run_partitions.mart = '{{ mart }}'
                    and not run_partitions.is_held_back
                    and run_partitions.partition_start = published.{{ date_column }}
            )
    )
{%- endmacro %}

{# Days before a day that decide what is expected of it: as warehouse/services/anomalies.py has it. #}
{% macro anomaly_window_days() -%} 119 {%- endmacro %}
