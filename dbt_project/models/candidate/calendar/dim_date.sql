-- One row per date, from the year of the first day that can exist through the year after the last one.
with parameters as (

    select * from {{ source('control', 'current_run') }}

),

dates as (

    {{ dates_of_years(
        'extract(year from parameters.earliest_date - 1)', 'extract(year from parameters.last_date) + 1'
    ) }}

),

described as (

    select
        date,
        extract(year from date)::integer as year,
        extract(quarter from date)::integer as quarter,
        date_trunc('month', date)::date as month,
        date_trunc('week', date)::date as week,
        extract(isodow from date)::integer as day_of_week,
        {{ name_of(
            'extract(isodow from date)::integer',
            ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']
        ) }} as day_name,
        {{ name_of(
            'extract(month from date)::integer',
            [
                'January', 'February', 'March', 'April', 'May', 'June',
                'July', 'August', 'September', 'October', 'November', 'December',
            ]
        ) }} as month_name,
        extract(isodow from date) >= 6 as is_weekend,
        1::bigint as _source_row_count
    from dates

)

select * from described
