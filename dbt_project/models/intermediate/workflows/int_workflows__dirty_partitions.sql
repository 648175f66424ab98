-- One row per mart, partition and source table that changes since the last plan have touched.
with execution_days as (

    select * from {{ ref('int_workflows__dirty_execution_days') }}

),

event_days as (

    select * from {{ ref('int_workflows__dirty_event_days') }}

),

days_of_new_facts as (

    select * from {{ ref('int_workflows__dirty_days_of_new_facts') }}

),

dirty as (

    select mart, partition_start, source_table, row_count from execution_days
    union all
    select mart, partition_start, source_table, row_count from event_days
    union all
    select mart, partition_start, source_table, row_count from days_of_new_facts

),

summed as (

    select
        mart,
        partition_start,
        source_table,
        max(row_count)::bigint as row_count
    from dirty
    group by mart, partition_start, source_table

)

select * from summed
