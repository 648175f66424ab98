-- One row per number of degrees of freedom, 1 to 200: a table for prediction intervals.
-- noqa: disable=LT02
with tabulated as (
{% for quantile in t_quantiles_975() %}
    select {{ loop.index }} as degrees, {{ quantile }}::double precision as quantile
    {%- if not loop.last %} union all{% endif %}
{%- endfor %}

),

quantiles as (

    select
        degrees,
        quantile
    from tabulated

)

select * from quantiles
