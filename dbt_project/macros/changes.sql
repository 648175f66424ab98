{# The log of changes of a raw table: _batch_id, _change (insert, update, delete) and the before-image. #}
{% macro changes(application, table) -%}
    {%- set raw = source(application, table) -%}
    {{ raw.incorporate(path={'identifier': raw.identifier ~ '__changes'}) }}
{%- endmacro %}

{# For a from clause. Of a fact: what is no longer so (_sign -1) and what is so now (+1), since the partitions were
last planned. Where facts are new that is all of them, which is not written a second time. #}
{% macro fact_changes(model) -%}
    {%- set fact = ref(model) -%}
    (
        select * from {{ fact.incorporate(path={'identifier': fact.identifier ~ '__changes'}) }}
        union all
        select
            1 as _sign,
            new_fact.*
        from {{ fact }} as new_fact
        where {{ facts_batch(model.split('__')[0][4:]) }} < 0
    ) as fact_changes
{%- endmacro %}

{# Batches up to this one are in the facts; -1 where they must be built anew from all rows. #}
{% macro facts_batch(application) -%}
    (
        select coalesce(facts_batch_id, -1) from {{ source('control', 'applications') }}
        where application = '{{ application }}'
    )
{%- endmacro %}
