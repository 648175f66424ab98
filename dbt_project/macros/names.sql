{# Schemas are what dbt_project.yml says, without dbt's prefix: the same in every environment. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
