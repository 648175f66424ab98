-- One row per user that is not deleted, with the zone that their days are cut in.
with users as (

    select * from {{ ref('stg_scheduling__users') }}

),

known_timezones as (

    select * from {{ source('control', 'known_timezones') }}

),

zones_resolved as (

    select
        users.user_id,
        users.timezone as given_timezone,
        coalesce(known_timezones.timezone, 'UTC') as timezone,
        known_timezones.timezone is not null as has_known_timezone
    from users
    left join known_timezones
        on users.timezone = known_timezones.timezone
    where users.deleted_at is null

)

select * from zones_resolved
