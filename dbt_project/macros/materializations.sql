{#
Three materializations, because none of dbt's own rebuilds a partition or tells what changed:

scratch    a table of this run only, filled anew (keys to recompute, fragments of the run's days)
fact       a table of resolved rows, kept from run to run; only rows of the affected keys are recomputed, and
           the difference goes to <fact>__changes (_sign -1: no longer so, +1: so now) in the same transaction,
           where the dirty partitions are read from; of new facts nothing does (macro fact_changes)
candidate  a table of the run's partitions, with the columns of the contract, that the gate checks
#}

{% macro _make_unlogged_table(relation, sql) %}
    {# Emptied and filled, not dropped: views that read it stay. A changed model comes with an empty schema. #}
    create unlogged table if not exists {{ relation }} as {{ sql }} with no data;
    truncate {{ relation }};
    insert into {{ relation }} {{ sql }};
    analyze {{ relation }};
{% endmacro %}

{% materialization scratch, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') %}{{ _make_unlogged_table(target_relation, sql) }}{% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization candidate, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {% if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
    {% call statement('main') %}{{ _make_unlogged_table(target_relation, sql) }}{% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# A sample of a large table costs more than the change of a row: what trickles in is left to the server. #}
{% macro _analyze_where_much_is_new(relation, new_rows) %}
    do $$
    begin
        if 20 * (select count(*) from {{ new_rows }}) > (
            select reltuples from pg_class where oid = '{{ relation }}'::regclass
        ) then
            analyze {{ relation }};
        end if;
    end
    $$;
{% endmacro %}

{% materialization fact, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set changes = this.incorporate(path={'identifier': this.identifier ~ '__changes'}, type='table') -%}
    {%- set key = config.require('key') -%}
    {%- set affected = ref(config.require('affected')) -%}
    {%- set existing = load_cached_relation(this) -%}
    {#- Made by an earlier run that was interrupted, facts are still new. #}
    {%- set facts_are_known -%} {{ facts_batch(model.fqn[2]) }} >= 0 {%- endset -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') %}
        {% if existing is none %}
            create table {{ target_relation }} as {{ sql }};
            create table {{ changes }} as select 1 as _sign, fact.* from {{ target_relation }} as fact with no data;
            {% for columns in config.get('indexed_by', []) %}
                create index on {{ target_relation }} ({{ columns }});
            {% endfor %}
            create index on {{ target_relation }} ({{ key }});
            analyze {{ target_relation }};
        {% else %}
            {# A few keys out of tables that are in memory for the most part. #}
            set local random_page_cost = 1.1;
            drop table if exists pg_temp.recomputed;
            create temp table recomputed as {{ sql }};
            analyze recomputed;
            insert into {{ changes }}
            select -1, gone.*
            from (
                select fact.* from {{ target_relation }} as fact
                where fact.{{ key }} in (select affected.{{ key }} from {{ affected }} as affected)
                except all
                select * from recomputed
            ) as gone
            where {{ facts_are_known }};
            insert into {{ changes }}
            select 1, new.*
            from (
                select * from recomputed
                except all
                select fact.* from {{ target_relation }} as fact
                where fact.{{ key }} in (select affected.{{ key }} from {{ affected }} as affected)
            ) as new
            where {{ facts_are_known }};
            delete from {{ target_relation }} as fact
            where fact.{{ key }} in (select affected.{{ key }} from {{ affected }} as affected);
            insert into {{ target_relation }} select * from recomputed;
            {{ _analyze_where_much_is_new(target_relation, 'recomputed') }}
            analyze {{ changes }};
            drop table recomputed;
        {% endif %}
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
