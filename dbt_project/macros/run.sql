{# The days of a mart that the current run builds, through the last day that exists. #}
{% macro run_days(mart) -%}
    (
        select run_partitions.partition_start as date
        from {{ source('control', 'run_partitions') }} as run_partitions
        inner join {{ source('control', 'current_run') }} as current_run
            on run_partitions.partition_start <= current_run.last_date
        where run_partitions.mart = '{{ mart }}'
    )
{%- endmacro %}

{# The days that the current run builds of any mart of the application. #}
{% macro run_days_of_application(application) -%}
    (
        select distinct run_partitions.partition_start as date
        from {{ source('control', 'run_partitions') }} as run_partitions
        inner join {{ source('control', 'current_run') }} as current_run
            on run_partitions.partition_start <= current_run.last_date
        where
            run_partitions.application = '{{ application }}'
            and run_partitions.partition_start is not null
    )
{%- endmacro %}
