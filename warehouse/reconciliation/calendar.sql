-- The calendar depends on no rows: whole years, each day once.
select
    'dim_date' as mart, 'row_count' as equation, null::date as partition_start,
    (select count(*) from candidate.dim_date)::numeric as observed,
    (select max(date) - min(date) + 1 from candidate.dim_date)::numeric as expected
