-- One row per user (user_id), deleted ones flagged, with the zone that the user's days are cut in.
with users as (

    select * from {{ ref('stg_scheduling__users') }}

),

known_timezones as (

    select * from {{ source('control', 'known_timezones') }}

),

current_state as (

    select
        users.user_id,
        users.timezone,
        coalesce(known_timezones.timezone, 'UTC') as local_timezone,
        users.created_at,
        users.deleted_at is not null as is_deleted,
        1::bigint as _source_row_count
    from users
    left join known_timezones
        on users.timezone = known_timezones.timezone

)

select * from current_state
