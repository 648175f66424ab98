{# What several models of the workflows application share: event types and the quarantine. #}

{# Types of events by which an execution passes through a funnel. #}
{% macro step_event_types() -%}
    {{ return(['step_entered', 'step_completed', 'step_failed', 'step_skipped']) }}
{%- endmacro %}

{# An event of a funnel as one number: which step, and which of its four types. Comparing numbers is cheap. #}
{% macro step_mark(event_type, step_number) -%}
    {%- set types = step_event_types() -%}
    ({{ types | length }} * ({{ step_number }}) + {% if event_type[0] == "'" -%}
        {{ types.index(event_type.strip("'")) }}
    {%- else -%}
        case {{ event_type }}
        {%- for type in types %} when '{{ type }}' then {{ loop.index0 }}{% endfor %} end
    {%- endif %})
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
