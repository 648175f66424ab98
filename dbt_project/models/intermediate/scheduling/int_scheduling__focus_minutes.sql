-- One row per user and local day with focus slots: minutes of their union, and of its overlap with the union
-- of scheduled slots. A sweep over the borders: where the running number of open slots is above 0, it is
-- inside the union. Borders are on the minute grid, which changes no union: rounding down keeps order.
with slot_days as (

    select * from {{ ref('int_scheduling__slot_days') }}

),

focus_days as (

    select * from {{ ref('int_scheduling__focus_days') }}

),

user_days as (

    select distinct
        user_id,
        date
    from focus_days

),

intervals as (

    select
        user_id,
        date,
        starts_minute,
        ends_minute,
        1 as focus,
        0 as scheduled
    from focus_days
    union all
    select
        slot_days.user_id,
        slot_days.date,
        slot_days.starts_minute,
        slot_days.ends_minute,
        0 as focus,
        1 as scheduled
    from slot_days
    inner join user_days
        on slot_days.user_id = user_days.user_id and slot_days.date = user_days.date

),

borders as (

    select user_id, date, starts_minute as minute, focus, scheduled from intervals
    union all
    select user_id, date, ends_minute as minute, -focus as focus, -scheduled as scheduled from intervals

),

borders_netted as (

    select
        user_id,
        date,
        minute,
        sum(focus)::integer as focus,
        sum(scheduled)::integer as scheduled
    from borders
    group by user_id, date, minute

),

pieces as (

    select
        user_id,
        date,
        (lead(minute) over by_minute - minute)::integer as minutes,
        sum(focus) over by_minute as open_focus,
        sum(scheduled) over by_minute as open_scheduled
    from borders_netted
    window by_minute as (partition by user_id, date order by minute)

),

summed as (

    select
        user_id,
        date,
        coalesce(sum(case when open_focus > 0 and open_scheduled > 0 then minutes end), 0) as focus_minutes,
        coalesce(sum(case when open_focus > 0 then minutes end), 0) as focus_capacity_minutes
    from pieces
    group by user_id, date

)

select * from summed
