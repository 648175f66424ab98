-- One row per report that somebody asked for, deleted ones included; recipients stay in raw.
with report_requests as (

    select * from {{ source('services', 'report_requests') }}

),

columns_named as (

    select
        report_id,
        name,
        report_type,
        format,
        parameters,
        cron_schedule,
        created_by,
        created_at,
        updated_at,
        deleted_at,
        _batch_id
    from report_requests

)

select * from columns_named
