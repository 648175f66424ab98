{# An ISO 8601 instant with an offset, exactly in the contract's form; null for anything else.

The engine's own cast is not asked: it would accept words such as now and infinity. The common forms are cast
once the pattern has vouched for them; fractions and unusual offsets are taken apart, because the cast rounds
fractions that the contract cuts. #}
{% macro parse_instant(text) -%}
    {{ return(adapter.dispatch('parse_instant')(text)) }}
{%- endmacro %}
{% macro postgres__parse_instant(text) -%}
    {%- set pattern = "^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]"
        ~ "(?::[0-5][0-9](?:\\.[0-9]+)?)?(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9](?::?[0-5][0-9])?)?)$" -%}
    {%- set offset = "substring(" ~ text ~ " from '[+-][0-9:]+$')" -%}
    {%- set digits = "rpad(translate(" ~ offset ~ ", '+-:', ''), 6, '0')" -%}
    case
        when {{ text }} collate "C" !~ '{{ pattern }}' or {{ text }} like '0000%' then null
        when substr({{ text }}, 9, 2)::integer > 28
            and substr({{ text }}, 9, 2)::integer > case
                when substr({{ text }}, 6, 2) in ('04', '06', '09', '11') then 30
                when substr({{ text }}, 6, 2) <> '02' then 31
                when substr({{ text }}, 1, 4)::integer % 4 = 0
                    and (substr({{ text }}, 1, 4)::integer % 100 <> 0 or substr({{ text }}, 1, 4)::integer % 400 = 0)
                    then 29
                else 28
            end
            then null
        when length({{ text }}) = 25 and substr({{ text }}, 20, 1) in ('+', '-') and substr({{ text }}, 23, 1) = ':'
            then {{ text }}::timestamptz
        else
            (
                substr({{ text }}, 1, 10) || ' ' || substr({{ text }}, 12, 5)
                || coalesce(substring({{ text }} from '^.{16}(:[0-9]{2}(\.[0-9]{1,6})?)'), '') || '+00'
            )::timestamptz
            - case
                when {{ offset }} is null then interval '0'
                else make_interval(
                    hours => left({{ digits }}, 2)::integer,
                    mins => substr({{ digits }}, 3, 2)::integer,
                    secs => substr({{ digits }}, 5, 2)::integer
                ) * case when left({{ offset }}, 1) = '-' then -1 else 1 end
            end
    end
{%- endmacro %}

{# For a from clause: elements of a jsonb array, as elements.element, with their 0-based elements.position; where it
is no array, itself at no position. #}
{% macro array_elements(column) -%}
    {{ return(adapter.dispatch('array_elements')(column)) }}
{%- endmacro %}
{% macro postgres__array_elements(column) -%}
    cross join lateral (
        select
            element,
            ordinal::integer - 1 as position
        from jsonb_array_elements(
            case when jsonb_typeof({{ column }}) = 'array' then {{ column }} else '[]'::jsonb end
        ) with ordinality as members (element, ordinal)
        union all
        select
            {{ column }} as element,
            null as position
        where jsonb_typeof({{ column }}) <> 'array'
    ) as elements
{%- endmacro %}

{# A string member of a jsonb object; null where it is missing or not a string. #}
{% macro text_member(element, name) -%}
    {{ return(adapter.dispatch('text_member')(element, name)) }}
{%- endmacro %}
{% macro postgres__text_member(element, name) -%}
    case when jsonb_typeof({{ element }} -> '{{ name }}') = 'string' then {{ element }} ->> '{{ name }}' end
{%- endmacro %}

{# Why a slot cannot be used: the first reason of the contract that holds, null where it can. #}
{% macro slot_reason(starts_at, ends_at, earliest_date) -%}
    case
        when {{ starts_at }} is null or {{ ends_at }} is null then 'slot_malformed'
        when {{ ends_at }} <= {{ starts_at }} then 'slot_not_positive'
        when {{ ends_at }} > {{ starts_at }} + interval '31 days' then 'slot_too_long'
        when {{ starts_at }} < {{ utc_midnight(earliest_date) }} then 'before_earliest_date'
    end
{%- endmacro %}

{# For a from clause: one row per element of a column of slots, with the named columns of the relation it comes from,
its position, starts_at, ends_at, and why it cannot be used (reason and value; null where it can). One row at no
position where the column is no array. The relation has earliest_date. One pass over it: arrays are large. #}
{% macro judged_slots(relation, slots, columns) -%}
(
    with texts as (

        select
            {% for column in columns %}{{ relation }}.{{ column }}, {% endfor %}
            {{ relation }}.earliest_date,
            elements.position,
            elements.element,
            {{ text_member('elements.element', 'start') }} as start_text,
            {{ text_member('elements.element', 'end') }} as end_text
        from {{ relation }}
        {{ array_elements(relation ~ '.' ~ slots) }}
        {{ computed_once_per_row() }}

    ),

    timed as (

        select
            {{ columns | join(', ') }},
            earliest_date,
            position,
            element,
            {{ parse_instant('start_text') }} as starts_at,
            {{ parse_instant('end_text') }} as ends_at
        from texts
        {{ computed_once_per_row() }}

    ),

    judged as (

        select
            *,
            case
                when position is null then 'slots_not_array'
                else {{ slot_reason('starts_at', 'ends_at', 'earliest_date') }}
            end as reason
        from timed
        {{ computed_once_per_row() }}

    )

    select
        {{ columns | join(', ') }},
        position,
        starts_at,
        ends_at,
        reason,
        case when reason is not null then left(element::text, 1000) end as value
    from judged
)
{%- endmacro %}

{# For a from clause: usable slots clipped to the windows that they touch, with the named columns, the local day, the
borders on the epoch-minute grid, and slots_count: 1 in the first window of each day, 0 where the slot goes on over a
UTC midnight inside the day. A usable slot is at most 31 days long: an index on its start finds those in reach. #}
{% macro slots_in_windows(slots, windows, columns) -%}
(
    select
        {% for column in columns %}{{ slots }}.{{ column }}, {% endfor %}
        {{ windows }}.date,
        case
            when {{ windows }}.opens_day or {{ slots }}.starts_at >= {{ windows }}.starts_at then 1 else 0
        end as slots_count,
        {{ epoch_minute('greatest(' ~ slots ~ '.starts_at, ' ~ windows ~ '.starts_at)') }} as starts_minute,
        {{ epoch_minute('least(' ~ slots ~ '.ends_at, ' ~ windows ~ '.ends_at)') }} as ends_minute
    from {{ slots }}
    {{ cross_join_days(utc_date(slots ~ '.starts_at'), utc_date(slots ~ '.ends_at')) }}
    inner join {{ windows }}
        on
            {{ slots }}.timezone = {{ windows }}.timezone
            and days.date = {{ windows }}.utc_date
            and {{ slots }}.starts_at < {{ windows }}.ends_at
            and {{ slots }}.ends_at > {{ windows }}.starts_at
    where
        {{ slots }}.starts_at >= (select min(starts_at) - interval '31 days' from {{ windows }})
        and {{ slots }}.starts_at < (select max(ends_at) from {{ windows }})
)
{%- endmacro %}
