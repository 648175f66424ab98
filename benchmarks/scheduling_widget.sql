-- The quick stats of one user over 30 days, from raw: what an application would compute each time without the mart.
-- Parameter user; as of 2018-01-01.
with days as (
    select d.date, d.starts_at, d.ends_at, t.date as today
    from raw.scheduling__users as u
    inner join control.local_days as t
        on t.timezone = u.timezone and t.date between '2017-12-30' and '2018-01-02'
        and t.starts_at <= '2018-01-01Z' and t.ends_at > '2018-01-01Z'
    inner join control.local_days as d on d.timezone = t.timezone and d.date < t.date and d.date >= t.date - 3000
    where u.user_id = %(user)s and d.starts_at < d.ends_at
), recent as (
    select min(starts_at) as first_at, max(ends_at) as last_at from days where date >= today - 30
), tasks as (
    select * from raw.scheduling__tasks where user_id = %(user)s and deleted_at is null
), slots as (
    select
        t.category_id,
        case when s ->> 'start' like '2___-__-__T%%' then (s ->> 'start')::timestamptz end as starts_at,
        case when s ->> 'end' like '2___-__-__T%%' then (s ->> 'end')::timestamptz end as ends_at
    from tasks as t cross join lateral jsonb_array_elements(t.scheduled_slots) as s
    where t.status <> 'cancelled'
), focus_slots as (
    select
        case when s ->> 'start' like '2___-__-__T%%' then (s ->> 'start')::timestamptz end as starts_at,
        case when s ->> 'end' like '2___-__-__T%%' then (s ->> 'end')::timestamptz end as ends_at
    from raw.scheduling__user_calendar_days as c cross join lateral jsonb_array_elements(c.focus_slots) as s
    where c.user_id = %(user)s
), pieces as (
    select
        s.category_id, d.date,
        floor(extract(epoch from greatest(s.starts_at, d.starts_at)) / 60)::bigint as a,
        floor(extract(epoch from least(s.ends_at, d.ends_at)) / 60)::bigint as b
    from slots as s
    inner join days as d on d.date >= d.today - 30 and s.starts_at < d.ends_at and s.ends_at > d.starts_at
    where s.starts_at < s.ends_at and s.ends_at - s.starts_at <= interval '31 days'
), focus_pieces as (
    select
        floor(extract(epoch from greatest(f.starts_at, first_at)) / 60)::bigint as a,
        floor(extract(epoch from least(f.ends_at, last_at)) / 60)::bigint as b
    from focus_slots as f
    inner join recent on f.starts_at < last_at and f.ends_at > first_at
    where f.starts_at < f.ends_at and f.ends_at - f.starts_at <= interval '31 days'
), unions as (
    select
        (select coalesce(range_agg(int8range(a, b)), '{}') from pieces) as scheduled,
        (select coalesce(range_agg(int8range(a, b)), '{}') from focus_pieces) as focus
), completed_days as (
    select d.today - d.date as back, row_number() over (order by d.date desc) as place
    from days as d
    where exists (select from tasks as t where t.completed_at >= d.starts_at and t.completed_at < d.ends_at)
)
select
    (select coalesce(sum(b - a), 0) from pieces) as total_scheduled_minutes,
    (select count(*) from tasks cross join recent where completed_at >= first_at and completed_at < last_at)
        as completed_tasks_count,
    (select coalesce(sum(upper(r) - lower(r)), 0) from unnest(focus * scheduled) as r) as focus_minutes,
    (select coalesce(sum(upper(r) - lower(r)), 0) from unnest(focus) as r) as focus_capacity_minutes,
    (
        select category_id from pieces group by category_id having sum(b - a) > 0
        order by sum(b - a) desc, category_id nulls first limit 1
    ) as top_category_id,
    (select count(*) from completed_days where back = place) as streak_days_completed
from unions
