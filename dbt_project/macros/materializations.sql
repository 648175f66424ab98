{#
Three materializations, because none of dbt's own rebuilds a partition or tells what changed:

scratch    a table of this run only, filled anew (keys to recompute, fragments of the run's days)
fact       a table of resolved rows, kept from run to run; only rows of the affected keys are recomputed, and
           the difference goes to <fact>__changes (_sign -1: no longer so, +1: so now) in the same transaction,
           where the dirty partitions are read from; of new facts nothing does (macro fact_changes)
candidate  a table of the run's partitions, with the columns of the contract, that the gate checks

What each of them sends is made by script(), from a model's configuration and its compiled query. Runs send the same
scripts by themselves: analyses/scripts.sql writes them down when the project is prepared.
#}

{% macro script(relation, config, affected, sql, is_new) -%}
    {%- if config.materialized == 'fact' -%}
        {%- set changes = relation.incorporate(path={'identifier': relation.identifier ~ '__changes'}) -%}
        {%- if is_new -%}
            {{ weir.new_fact_script(relation, changes, config, sql) }}
        {%- else -%}
            {{ weir.changed_fact_script(relation, changes, config, affected, sql) }}
        {%- endif -%}
    {%- elif config.materialized == 'view' -%}
        create or replace view {{ relation }} as {{ sql }};
    {%- elif is_new -%}
        create unlogged table {{ relation }} as {{ sql }};
        analyze {{ relation }};
    {%- else -%}
        {#- Emptied and filled, not dropped: views that read it stay. A changed model comes with an empty schema. -#}
        {{ weir.emptied(relation) }}
        insert into {{ relation }} {{ sql }};
        analyze {{ relation }};
    {%- endif -%}
{%- endmacro %}

{# To truncate makes new files, which costs as much as to delete hundreds of rows. As warehouse/database.py has it. #}
{% macro emptied(relation) -%}
    do $$
    begin
        if pg_relation_size('{{ relation }}') > 65536 then
            truncate {{ relation }};
        else
            delete from {{ relation }};
        end if;
    end
    $$;
{%- endmacro %}

{# Everything is new: there is nothing to compare it with. #}
{% macro new_fact_script(relation, changes, config, sql) -%}
    create table {{ relation }} as {{ sql }};
    create table {{ changes }} as select 1 as _sign, fact.* from {{ relation }} as fact with no data;
    {% for columns in config.get('indexed_by') or [] %}
        create index on {{ relation }} ({{ columns }});
    {% endfor %}
    create index on {{ relation }} ({{ config.key }});
    analyze {{ relation }};
{%- endmacro %}

{% macro changed_fact_script(relation, changes, config, affected, sql) -%}
    {#- Made by an earlier run that was interrupted, facts are still new. -#}
    {%- set facts_are_known -%} {{ facts_batch(relation.identifier.split('__')[0][4:]) }} >= 0 {%- endset -%}
    {%- set is_affected -%}
        fact.{{ config.key }} in (select affected.{{ config.key }} from {{ affected }} as affected)
    {%- endset -%}
    {# A few keys out of tables that are in memory for the most part. -#}
    set local random_page_cost = 1.1;
    drop table if exists pg_temp.recomputed;
    create temp table recomputed as {{ sql }};
    analyze recomputed;
    insert into {{ changes }}
    select -1, gone.*
    from (
        select fact.* from {{ relation }} as fact where {{ is_affected }}
        except all
        select * from recomputed
    ) as gone
    where {{ facts_are_known }};
    insert into {{ changes }}
    select 1, new.*
    from (
        select * from recomputed
        except all
        select fact.* from {{ relation }} as fact where {{ is_affected }}
    ) as new
    where {{ facts_are_known }};
    delete from {{ relation }} as fact where {{ is_affected }};
    insert into {{ relation }} select * from recomputed;
    {# A sample of a large table costs more than the change of a row: what trickles in is left to the server. -#}
    do $$
    begin
        if 20 * (select count(*) from recomputed) > (
            select reltuples from pg_class where oid = '{{ relation }}'::regclass
        ) then
            analyze {{ relation }};
        end if;
    end
    $$;
    analyze {{ changes }};
    drop table recomputed;
{%- endmacro %}

{% materialization scratch, default %}
    {{ return(weir.make(this, sql)) }}
{% endmaterialization %}

{% materialization candidate, default %}
    {% if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
    {{ return(weir.make(this, sql)) }}
{% endmaterialization %}

{% materialization fact, default %}
    {{ return(weir.make(this, sql, ref(config.require('affected')))) }}
{% endmaterialization %}

{% macro make(this, sql, affected=none) %}
    {%- set is_new = load_cached_relation(this) is none -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') %}{{ weir.script(this, model.config, affected, sql, is_new) }}{% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmacro %}
