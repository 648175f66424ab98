{#- Not a query: the scripts that make each model, as JSON, with a mark in the place of its compiled query. Read by
warehouse/transform.py, so that runs and dbt send the same. -#}
{%- set scripts = {} -%}
{%- set tables = {} -%}
{%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
    {%- do tables.update({
        node.name: api.Relation.create(database=node.database, schema=node.schema, identifier=node.name)
    }) -%}
{%- endfor -%}
{%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
    {%- set affected = tables.get(node.config.get('affected')) -%}
    {%- set before = render(node.config['pre-hook'] | map(attribute='sql') | join(';\n')) | trim -%}
    {%- do scripts.update({node.name: {
        'before': before,
        'new': weir.script(tables[node.name], node.config, affected, '@query@', true) | trim,
        'again': weir.script(tables[node.name], node.config, affected, '@query@', false) | trim
    }}) -%}
{%- endfor -%}
{{ tojson(scripts) }}
