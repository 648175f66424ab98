{# What engines spell differently. Models call these; only this folder knows PostgreSQL. #}

{% macro nil_uuid() -%}
    {{ return(adapter.dispatch('nil_uuid')()) }}
{%- endmacro %}
{% macro postgres__nil_uuid() -%} '00000000-0000-0000-0000-000000000000'::uuid {%- endmacro %}

{# Whole minutes since the epoch, rounded down: differences of it are what "minutes" means here. #}
{% macro epoch_minute(instant) -%}
    {{ return(adapter.dispatch('epoch_minute')(instant)) }}
{%- endmacro %}
{% macro postgres__epoch_minute(instant) -%}
    (extract(epoch from date_trunc('minute', {{ instant }} at time zone 'UTC'))::bigint / 60)
{%- endmacro %}

{# Exact microseconds between two finite instants, as bigint. #}
{% macro microseconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('microseconds_between')(earlier, later)) }}
{%- endmacro %}
{% macro postgres__microseconds_between(earlier, later) -%}
    ((extract(epoch from {{ later }}) - extract(epoch from {{ earlier }})) * 1000000)::bigint
{%- endmacro %}

{# The date of an instant in UTC, whatever the session's zone. #}
{% macro utc_date(instant) -%}
    {{ return(adapter.dispatch('utc_date')(instant)) }}
{%- endmacro %}
{% macro postgres__utc_date(instant) -%} ({{ instant }} at time zone 'UTC')::date {%- endmacro %}

{# Start of a UTC date, as an instant. #}
{% macro utc_midnight(date) -%}
    {{ return(adapter.dispatch('utc_midnight')(date)) }}
{%- endmacro %}
{% macro postgres__utc_midnight(date) -%} (({{ date }})::timestamp at time zone 'UTC') {%- endmacro %}

{# 'infinity' and '-infinity' of timestamptz. #}
{% macro is_finite(instant) -%}
    {{ return(adapter.dispatch('is_finite')(instant)) }}
{%- endmacro %}
{% macro postgres__is_finite(instant) -%} isfinite({{ instant }}) {%- endmacro %}

{# The instant, or null for null and +infinity ("counts as null"). #}
{% macro null_if_infinite(instant) -%}
    {{ return(adapter.dispatch('null_if_infinite')(instant)) }}
{%- endmacro %}
{% macro postgres__null_if_infinite(instant) -%} nullif({{ instant }}, 'infinity'::timestamptz) {%- endmacro %}

{# A ratio with 4 decimals, null where the denominator is 0. #}
{% macro ratio(numerator, denominator) -%}
    {{ return(adapter.dispatch('ratio')(numerator, denominator)) }}
{%- endmacro %}
{% macro postgres__ratio(numerator, denominator) -%}
    round(({{ numerator }})::numeric / nullif({{ denominator }}, 0), 4)::numeric(10, 4)
{%- endmacro %}

{# Average of integer microseconds as seconds: divided exactly to 30 decimals, cast last. #}
{% macro average_seconds(microseconds_sum, row_count) -%}
    {{ return(adapter.dispatch('average_seconds')(microseconds_sum, row_count)) }}
{%- endmacro %}
{% macro postgres__average_seconds(microseconds_sum, row_count) -%}
    (({{ microseconds_sum }})::numeric(60, 30) / nullif({{ row_count }} * 1000000::numeric, 0))::double precision
{%- endmacro %}

{# A name-based uuid of version 3 (RFC 9562): uuid3(uuid3(NAMESPACE_URL, 'weir:' || mart), key). #}
{% macro uuid3(mart, key) -%}
    {{ return(adapter.dispatch('uuid3')(mart, key)) }}
{%- endmacro %}
{# Bits are set rather than digits replaced: MD5 is then computed once. The namespace is made of literals and
immutable functions only, so that it is computed once per query: both together are 2.5 times as fast. #}
{% macro postgres__md5_as_uuid3(bytes) -%}
    {%- set ns = namespace(bits="decode(md5(" ~ bytes ~ "), 'hex')") -%}
    {%- for place, bit in ((55, 0), (54, 0), (53, 1), (52, 1), (71, 1), (70, 0)) -%}
        {%- set ns.bits = "set_bit(" ~ ns.bits ~ ", " ~ place ~ ", " ~ bit ~ ")" -%}
    {%- endfor -%}
    {{ ns.bits }}
{%- endmacro %}
{% macro postgres__uuid3(mart, key) -%}
    {%- set url_namespace = "'\\x6ba7b8119dad11d180b400c04fd430c8'::bytea" -%}
    {%- set prefix = weir.postgres__md5_as_uuid3(url_namespace ~ " || 'weir:" ~ mart ~ "'::bytea") -%}
    encode({{ weir.postgres__md5_as_uuid3(prefix ~ " || convert_to(" ~ key ~ ", 'UTF8')") }}, 'hex')::uuid
{%- endmacro %}

{# A JSON object of key → integer over a group, of rows where the condition holds; empty where none does. #}
{% macro json_object_of(key, value, condition) -%}
    {{ return(adapter.dispatch('json_object_of')(key, value, condition)) }}
{%- endmacro %}
{% macro postgres__json_object_of(key, value, condition) -%}
    coalesce(jsonb_object_agg({{ key }}::text, {{ value }}::bigint) filter (where {{ condition }}), '{}'::jsonb)
{%- endmacro %}

{% macro empty_json_object() -%}
    {{ return(adapter.dispatch('empty_json_object')()) }}
{%- endmacro %}
{% macro postgres__empty_json_object() -%} '{}'::jsonb {%- endmacro %}

{# Every date of the years from one through another, taken from the row of parameters. #}
{% macro dates_of_years(first_year, last_year) -%}
    {{ return(adapter.dispatch('dates_of_years')(first_year, last_year)) }}
{%- endmacro %}
{% macro postgres__dates_of_years(first_year, last_year) -%}
    select generate_series(
        make_date(({{ first_year }})::integer, 1, 1)::timestamp,
        make_date(({{ last_year }})::integer, 12, 31)::timestamp,
        interval '1 day'
    )::date as date
    from parameters
{%- endmacro %}

{# A name by its 1-based number: never the server's locale. #}
{% macro name_of(number, names) -%}
    case {{ number }}{% for name in names %} when {{ loop.index }} then '{{ name }}'{% endfor %} end
{%- endmacro %}

{# Microseconds as seconds. #}
{% macro seconds(microseconds) -%}
    {{ return(adapter.dispatch('seconds')(microseconds)) }}
{%- endmacro %}
{% macro postgres__seconds(microseconds) -%} ({{ microseconds }})::double precision / 1e6 {%- endmacro %}

{# Linear interpolation between the two nearest ranks; nulls are left out. #}
{% macro percentile_cont(fraction, expression) -%}
    {{ return(adapter.dispatch('percentile_cont')(fraction, expression)) }}
{%- endmacro %}
{% macro postgres__percentile_cont(fraction, expression) -%}
    percentile_cont({{ fraction }}) within group (order by {{ expression }})
{%- endmacro %}

{# Neither NaN nor infinite. #}
{% macro is_finite_number(value) -%}
    {{ return(adapter.dispatch('is_finite_number')(value)) }}
{%- endmacro %}
{% macro postgres__is_finite_number(value) -%}
    ({{ value }} not in ('NaN'::double precision, 'Infinity'::double precision, '-Infinity'::double precision))
{%- endmacro %}

{# A double through its shortest decimal text, rounded half away from zero to 12 decimals: sums are exact. #}
{% macro exact_decimal(value) -%}
    {{ return(adapter.dispatch('exact_decimal')(value)) }}
{%- endmacro %}
{% macro postgres__exact_decimal(value) -%} round({{ value }}::text::numeric, 12) {%- endmacro %}

{# The id of the latest row of a group, the larger id among those of one instant. Hashed, not sorted. #}
{% macro last_id(instant, id) -%}
    {{ return(adapter.dispatch('last_id')(instant, id)) }}
{%- endmacro %}
{% macro postgres__last_id(instant, id) -%}
    (max(array[(extract(epoch from {{ instant }}) * 1000000)::bigint, {{ id }}]))[2]
{%- endmacro %}

{# After "as" of a CTE: computed once, where an engine would copy its expressions into every use. #}
{% macro computed_once() -%}
    {{ return(adapter.dispatch('computed_once')()) }}
{%- endmacro %}
{% macro postgres__computed_once() -%} materialized {%- endmacro %}
{% macro default__computed_once() -%} {%- endmacro %}

{# After "as" of a CTE: computed where it is used, and only the rows that are used there, where an engine would keep
all of them. #}
{% macro computed_where_used() -%}
    {{ return(adapter.dispatch('computed_where_used')()) }}
{%- endmacro %}
{% macro postgres__computed_where_used() -%} not materialized {%- endmacro %}
{% macro default__computed_where_used() -%} {%- endmacro %}

{# At the end of a subquery: its expressions are computed once for each row, where an engine would copy them into
every use, and its rows are passed on one by one, also between processes that share the work. #}
{% macro computed_once_per_row() -%}
    {{ return(adapter.dispatch('computed_once_per_row')()) }}
{%- endmacro %}
{% macro postgres__computed_once_per_row() -%} offset 0 {%- endmacro %}
{% macro default__computed_once_per_row() -%} {%- endmacro %}

{# For a from clause: the local dates that [starts_at, ends_at] can fall on in any zone, as touched.date. Local
dates differ from UTC dates by a day at most, so windows are then found by an equality join, which is hashed. #}
{% macro cross_join_local_dates(starts_at, ends_at) -%}
    {{ return(adapter.dispatch('cross_join_local_dates')(starts_at, ends_at)) }}
{%- endmacro %}
{% macro postgres__cross_join_local_dates(starts_at, ends_at) -%}
    cross join lateral (
        select {{ utc_date(starts_at) }} + days_on as date
        from generate_series(-1, {{ utc_date(ends_at) }} - {{ utc_date(starts_at) }} + 1) as days_on
    ) as touched
{%- endmacro %}

{# First day of the month that a date is in. #}
{% macro month_of(date) -%}
    {{ return(adapter.dispatch('month_of')(date)) }}
{%- endmacro %}
{% macro postgres__month_of(date) -%} date_trunc('month', {{ date }}::timestamp)::date {%- endmacro %}

{# First day of the month after the one that begins on a date. #}
{% macro next_month(month) -%}
    {{ return(adapter.dispatch('next_month')(month)) }}
{%- endmacro %}
{% macro postgres__next_month(month) -%} ({{ month }}::timestamp + interval '1 month')::date {%- endmacro %}

{# Monday of the week that a date is in. #}
{% macro week_of(date) -%}
    {{ return(adapter.dispatch('week_of')(date)) }}
{%- endmacro %}
{% macro postgres__week_of(date) -%} date_trunc('week', {{ date }}::timestamp)::date {%- endmacro %}

{# For a from clause: members of a JSON object of integers, as pairs.key and pairs.value (texts). #}
{% macro cross_join_json_pairs(json_object) -%}
    {{ return(adapter.dispatch('cross_join_json_pairs')(json_object)) }}
{%- endmacro %}
{% macro postgres__cross_join_json_pairs(json_object) -%}
    cross join lateral jsonb_each_text({{ json_object }}) as pairs (key, value)
{%- endmacro %}

{# Start of the UTC hour that an instant is in. #}
{% macro utc_hour(instant) -%}
    {{ return(adapter.dispatch('utc_hour')(instant)) }}
{%- endmacro %}
{% macro postgres__utc_hour(instant) -%} date_trunc('hour', {{ instant }}, 'UTC') {%- endmacro %}

{# Average of integers: divided exactly to 30 decimals, cast last. Null where there are none. #}
{% macro average(total, row_count) -%}
    {{ return(adapter.dispatch('average')(total, row_count)) }}
{%- endmacro %}
{% macro postgres__average(total, row_count) -%}
    (({{ total }})::numeric(60, 30) / nullif({{ row_count }}, 0))::double precision
{%- endmacro %}

{# Array over a group, in an order, nulls included. #}
{% macro array_in_order(expression, order_by) -%}
    {{ return(adapter.dispatch('array_in_order')(expression, order_by)) }}
{%- endmacro %}
{% macro postgres__array_in_order(expression, order_by) -%}
    array_agg({{ expression }} order by {{ order_by }})
{%- endmacro %}

{# Place, from 1, of the first member of an array that has a value and stands behind a place; null where none does. #}
{% macro place_after(members, value, place) -%}
    {{ return(adapter.dispatch('place_after')(members, value, place)) }}
{%- endmacro %}
{% macro postgres__place_after(members, value, place) -%}
    array_position({{ members }}, {{ value }}, {{ place }} + 1)
{%- endmacro %}

{# Member of an array at a place, from 1; null where the place is. #}
{% macro member_at(members, place) -%}
    {{ return(adapter.dispatch('member_at')(members, place)) }}
{%- endmacro %}
{% macro postgres__member_at(members, place) -%} ({{ members }})[{{ place }}] {%- endmacro %}

{# Bucket of a duration in whole microseconds, not negative: a binary search in the fixed table of bounds. #}
{% macro duration_bucket(microseconds) -%}
    {{ return(adapter.dispatch('duration_bucket')(microseconds)) }}
{%- endmacro %}
{% macro postgres__duration_bucket(microseconds) -%}
    (
        width_bucket(
            {{ microseconds }},
            (select array_agg(lower_microseconds order by bucket) from {{ source('control', 'duration_buckets') }})
        ) - 1
    )
{%- endmacro %}

{# First day of the week or month that a date is in, and of the one after the one that begins on a date. #}
{% macro period_of(period, date) -%}
    {{ week_of(date) if period == 'week' else month_of(date) }}
{%- endmacro %}
{% macro next_period(period, start) -%}
    {{ return(adapter.dispatch('next_period')(period, start)) }}
{%- endmacro %}
{% macro postgres__next_period(period, start) -%}
    ({{ start }}::timestamp + interval '1 {{ period }}')::date
{%- endmacro %}

{# An index that an incremental run needs on a raw table, made once; engines without indexes: nothing. #}
{% macro index_on_raw(application, table, column) -%}
    {{ return(adapter.dispatch('index_on_raw')(application, table, column)) }}
{%- endmacro %}
{% macro postgres__index_on_raw(application, table, column) -%}
    {%- set raw = source(application, table) -%}
    create index if not exists {{ raw.identifier }}_{{ column }}_idx on {{ raw }} ({{ column }})
{%- endmacro %}

{# Tells the planner how many values an expression on a raw table has, without which it sorts where it could hash.
Made with the views; engines without such statistics: nothing. #}
{% macro statistics_on_raw(application, table, name, expression) -%}
    {{ return(adapter.dispatch('statistics_on_raw')(application, table, name, expression)) }}
{%- endmacro %}
{% macro default__statistics_on_raw(application, table, name, expression) -%} {%- endmacro %}
{% macro postgres__statistics_on_raw(application, table, name, expression) -%}
    {%- set raw = source(application, table) -%}
    create statistics if not exists {{ raw.schema }}.{{ raw.identifier }}_{{ name }} on ({{ expression }}) from {{ raw }};
    analyze {{ raw }}
{%- endmacro %}

{# First day of the quarter that a date is in. #}
{% macro quarter_of(date) -%}
    {{ return(adapter.dispatch('quarter_of')(date)) }}
{%- endmacro %}
{% macro postgres__quarter_of(date) -%} date_trunc('quarter', {{ date }}::timestamp)::date {%- endmacro %}

{# First day of the year that a date is in. #}
{% macro year_of(date) -%}
    {{ return(adapter.dispatch('year_of')(date)) }}
{%- endmacro %}
{% macro postgres__year_of(date) -%} date_trunc('year', {{ date }}::timestamp)::date {%- endmacro %}

{# First day of the period (day, week, month, quarter or year, by a column) before the one that begins on a date. #}
{% macro previous_period(granularity, period) -%}
    {{ return(adapter.dispatch('previous_period')(granularity, period)) }}
{%- endmacro %}
{% macro postgres__previous_period(granularity, period) -%}
    (
        {{ period }}::timestamp
        - case {{ granularity }}
            when 'day' then interval '1 day'
            when 'week' then interval '7 days'
            when 'month' then interval '1 month'
            when 'quarter' then interval '3 months'
            else interval '1 year'
        end
    )::date
{%- endmacro %}

{# For a from clause: every date from one through another, as days.date; none where the first is later. #}
{% macro cross_join_days(first, last) -%}
    {{ return(adapter.dispatch('cross_join_days')(first, last)) }}
{%- endmacro %}
{% macro postgres__cross_join_days(first, last) -%}
    cross join lateral (
        select {{ first }} + days_on as date
        from generate_series(0, {{ last }} - {{ first }}) as days_on
    ) as days
{%- endmacro %}

{# A double as the number that its shortest decimal text names. #}
{% macro decimal_of(value) -%}
    {{ return(adapter.dispatch('decimal_of')(value)) }}
{%- endmacro %}
{% macro postgres__decimal_of(value) -%} ({{ value }})::text::numeric {%- endmacro %}

{# A quotient of decimals rounded half away from zero, exactly: division and rounding would round twice. The
denominator is above 0. #}
{% macro rounded_quotient(numerator, denominator, places) -%}
    {{ return(adapter.dispatch('rounded_quotient')(numerator, denominator, places)) }}
{%- endmacro %}
{% macro postgres__rounded_quotient(numerator, denominator, places) -%}
    round(
        sign({{ numerator }})
        * div(2e{{ places }} * abs({{ numerator }}) + ({{ denominator }}), 2 * ({{ denominator }}))
        * 1e-{{ places }},
        {{ places }}
    )
{%- endmacro %}

{# The smallest whole number not below a quotient of decimals; the denominator is above 0. #}
{% macro ceiling_of_quotient(numerator, denominator) -%}
    {{ return(adapter.dispatch('ceiling_of_quotient')(numerator, denominator)) }}
{%- endmacro %}
{% macro postgres__ceiling_of_quotient(numerator, denominator) -%}
    (
        div({{ numerator }}, {{ denominator }})
        + case when {{ numerator }} > 0 and mod({{ numerator }}, {{ denominator }}) > 0 then 1 else 0 end
    )
{%- endmacro %}

{# A quotient of decimals as the double nearest to it. #}
{% macro double_quotient(numerator, denominator) -%}
    {{ return(adapter.dispatch('double_quotient')(numerator, denominator)) }}
{%- endmacro %}
{% macro postgres__double_quotient(numerator, denominator) -%}
    (round({{ numerator }}, 60) / ({{ denominator }}))::double precision
{%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}
{% macro postgres__days_between(earlier, later) -%} ({{ later }} - {{ earlier }}) {%- endmacro %}

{# A date a whole number of days later. #}
{% macro plus_days(date, number) -%}
    {{ return(adapter.dispatch('plus_days')(date, number)) }}
{%- endmacro %}
{% macro postgres__plus_days(date, number) -%} ({{ date }} + ({{ number }})::integer) {%- endmacro %}
