{# The log of changes of a raw table: _batch_id, _change (insert, update, delete) and the before-image. #}
{% macro changes(application, table) -%}
    {%- set raw = source(application, table) -%}
    {{ raw.incorporate(path={'identifier': raw.identifier ~ '__changes'}) }}
{%- endmacro %}

{# Of a fact: what is no longer so (_sign -1) and what is so now (+1), since the partitions were last planned. #}
{% macro fact_changes(model) -%}
    {%- set fact = ref(model) -%}
    {{ fact.incorporate(path={'identifier': fact.identifier ~ '__changes'}) }}
{%- endmacro %}

{# Batches up to this one are in the facts; -1 where they must be built anew from all rows. #}
{% macro facts_batch(application) -%}
    (
        select coalesce(facts_batch_id, -1) from {{ source('control', 'applications') }}
        where application = '{{ application }}'
    )
{%- endmacro %}
