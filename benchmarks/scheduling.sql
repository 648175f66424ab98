-- The scheduling marts by hand, from raw: what benchmarks/scheduling.py holds the pipeline against, and compares row by
-- row. Local days are taken as given. No history of goals, no quarantine, no checks, no publication; unions by multiranges.
create table by_hand.users as
select u.user_id, coalesce(z.timezone, 'UTC') as timezone
from raw.scheduling__users as u left join control.known_timezones as z on z.timezone = u.timezone
where u.deleted_at is null;
create table by_hand.windows as
select d.timezone, d.date, (d.starts_at at time zone 'UTC')::date + n as utc_date,
    greatest(d.starts_at, ((d.starts_at at time zone 'UTC')::date + n)::timestamp at time zone 'UTC') as starts_at,
    least(d.ends_at, ((d.starts_at at time zone 'UTC')::date + n + 1)::timestamp at time zone 'UTC') as ends_at
from control.local_days as d
cross join lateral generate_series(0, (d.ends_at at time zone 'UTC')::date - (d.starts_at at time zone 'UTC')::date) as n
where d.starts_at < d.ends_at and d.date <= date '2018-01-02';
create table by_hand.slots as
with texts as materialized (
    select 's' as kind, t.task_id as id, t.user_id, t.category_id, coalesce(isfinite(t.completed_at), false) as is_completed,
        s ->> 'start' as starts, s ->> 'end' as ends
    from raw.scheduling__tasks as t cross join lateral jsonb_array_elements(t.scheduled_slots) as s
    where t.deleted_at is null and t.status <> 'cancelled'
    union all
    select 'f', d.calendar_day_id, d.user_id, null, null, s ->> 'start', s ->> 'end'
    from raw.scheduling__user_calendar_days as d cross join lateral jsonb_array_elements(d.focus_slots) as s
), cast_texts as materialized (
    select kind, id, user_id, category_id, is_completed, starts::timestamptz as starts_at, ends::timestamptz as ends_at
    from texts
    where starts collate "C" ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$'
        and ends collate "C" ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$'
)
select s.*, u.timezone from cast_texts as s inner join by_hand.users as u using (user_id)
where ends_at > starts_at and ends_at - starts_at <= interval '31 days' and starts_at >= '2000-01-01Z';
analyze by_hand.windows, by_hand.slots;
create table by_hand.pieces as
select s.kind, s.id, s.user_id, coalesce(s.category_id, '00000000-0000-0000-0000-000000000000') as category_id,
    s.is_completed, w.date, floor(extract(epoch from greatest(s.starts_at, w.starts_at)) / 60)::bigint as a,
    floor(extract(epoch from least(s.ends_at, w.ends_at)) / 60)::bigint as b
from by_hand.slots as s
cross join lateral generate_series(0, (s.ends_at at time zone 'UTC')::date - (s.starts_at at time zone 'UTC')::date) as n
inner join by_hand.windows as w
    on w.timezone = s.timezone and w.utc_date = (s.starts_at at time zone 'UTC')::date + n
    and w.starts_at < s.ends_at and w.ends_at > s.starts_at;
analyze by_hand.pieces;
create table by_hand.category_daily_metrics as
select user_id, date, category_id, coalesce(c.name, 'Uncategorized') as category_name,
    sum(minutes)::integer as scheduled_minutes, sum(completed)::integer as completed_tasks_count,
    sum(scheduled)::integer as scheduled_tasks_count, sum(completed_scheduled)::integer as completed_scheduled_tasks_count
from (
    select user_id, date, category_id, sum(b - a) as minutes, 0 as completed, (sum(b - a) > 0)::integer as scheduled,
        (sum(b - a) > 0 and bool_or(is_completed))::integer as completed_scheduled
    from by_hand.pieces where kind = 's' group by id, user_id, date, category_id
    union all
    select t.user_id, w.date, coalesce(t.category_id, '00000000-0000-0000-0000-000000000000'), 0, 1, 0, 0
    from raw.scheduling__tasks as t
    inner join by_hand.users as u using (user_id)
    inner join by_hand.windows as w
        on w.timezone = u.timezone and w.utc_date = (t.completed_at at time zone 'UTC')::date
        and w.starts_at <= t.completed_at and w.ends_at > t.completed_at
    where t.deleted_at is null and isfinite(t.completed_at) and t.completed_at >= '2000-01-01Z'
) as parts
left join (select category_id, name from raw.scheduling__categories) as c using (category_id)
group by user_id, date, category_id, c.name
having sum(minutes) > 0 or sum(completed) > 0;
create table by_hand.analytics_daily_metrics as
with unions as (
    select user_id, date, coalesce(range_agg(int8range(a, b)) filter (where kind = 's'), '{}') as scheduled,
        range_agg(int8range(a, b)) filter (where kind = 'f') as focus
    from by_hand.pieces group by user_id, date
), focus as (
    select user_id, date,
        (select sum(upper(r) - lower(r)) from unnest(focus) as r) as focus_capacity_minutes,
        (select coalesce(sum(upper(r) - lower(r)), 0) from unnest(focus * scheduled) as r) as focus_minutes
    from unions where focus is not null
), totals as (
    select user_id, date, sum(scheduled_minutes)::integer as total_scheduled_minutes,
        sum(completed_tasks_count)::integer as completed_tasks_count,
        sum(scheduled_tasks_count)::integer as scheduled_tasks_count,
        sum(completed_scheduled_tasks_count)::integer as completed_scheduled_tasks_count,
        coalesce(jsonb_object_agg(category_id, scheduled_minutes) filter (where scheduled_minutes > 0), '{}')
            as category_minutes
    from by_hand.category_daily_metrics group by user_id, date
)
select user_id, date, coalesce(total_scheduled_minutes, 0) as total_scheduled_minutes,
    coalesce(completed_tasks_count, 0) as completed_tasks_count, coalesce(scheduled_tasks_count, 0) as scheduled_tasks_count,
    coalesce(completed_scheduled_tasks_count, 0) as completed_scheduled_tasks_count,
    coalesce(focus_minutes, 0)::integer as focus_minutes,
    coalesce(focus_capacity_minutes, 0)::integer as focus_capacity_minutes,
    coalesce(category_minutes, '{}') as category_minutes
from totals full join focus using (user_id, date)
where total_scheduled_minutes > 0 or completed_tasks_count > 0 or focus_capacity_minutes > 0;
analyze by_hand.analytics_daily_metrics, by_hand.category_daily_metrics;
create table by_hand.analytics_monthly_metrics as
with months as (select *, date_trunc('month', date::timestamp)::date as month from by_hand.analytics_daily_metrics),
categories as (
    select user_id, month, jsonb_object_agg(key, minutes) as category_minutes
    from (
        select user_id, month, key, sum(value::bigint) as minutes
        from months cross join lateral jsonb_each_text(category_minutes) group by 1, 2, 3
    ) as sums group by 1, 2
)
select user_id, month, sum(total_scheduled_minutes) as total_scheduled_minutes,
    sum(completed_tasks_count) as completed_tasks_count, sum(scheduled_tasks_count) as scheduled_tasks_count,
    sum(completed_scheduled_tasks_count) as completed_scheduled_tasks_count, sum(focus_minutes) as focus_minutes,
    sum(focus_capacity_minutes) as focus_capacity_minutes, coalesce(c.category_minutes, '{}') as category_minutes,
    count(*) as active_days
from months left join categories as c using (user_id, month) group by user_id, month, c.category_minutes;
create table by_hand.todays as
select u.user_id, u.timezone, d.date as today
from by_hand.users as u
inner join control.local_days as d on d.timezone = u.timezone and d.starts_at <= '2018-01-01Z' and d.ends_at > '2018-01-01Z';
create table by_hand.quick_stats as
with streaks as (
    select user_id, count(*) as days
    from (
        select d.user_id, t.today - d.date as back, row_number() over (partition by d.user_id order by d.date desc) as place
        from by_hand.analytics_daily_metrics as d inner join by_hand.todays as t using (user_id)
        where d.completed_tasks_count > 0 and d.date < t.today
    ) as days where back = place group by user_id
), present as (
    select t.*, w.days from by_hand.todays as t cross join (values (7), (30), (90)) as w (days)
    where exists (select from by_hand.analytics_daily_metrics as d where d.user_id = t.user_id)
), top as (
    select distinct on (p.user_id, p.days) p.user_id, p.days, c.category_id, c.category_name, sum(c.scheduled_minutes) as minutes
    from present as p
    inner join by_hand.category_daily_metrics as c on c.user_id = p.user_id and c.date < p.today and c.date >= p.today - p.days
    where c.scheduled_minutes > 0
    group by p.user_id, p.days, c.category_id, c.category_name order by p.user_id, p.days, minutes desc, c.category_id
)
select p.user_id, p.today - 1 as as_of_date, p.days as window_days,
    coalesce(sum(d.total_scheduled_minutes), 0) as total_scheduled_minutes,
    coalesce(sum(d.completed_tasks_count), 0) as completed_tasks_count,
    coalesce(sum(d.focus_minutes), 0) as focus_minutes, coalesce(sum(d.focus_capacity_minutes), 0) as focus_capacity_minutes,
    top.category_id as top_category_id, top.minutes as top_category_minutes, coalesce(s.days, 0) as streak_days_completed
from present as p
left join by_hand.analytics_daily_metrics as d on d.user_id = p.user_id and d.date < p.today and d.date >= p.today - p.days
left join top on top.user_id = p.user_id and top.days = p.days
left join streaks as s on s.user_id = p.user_id
group by p.user_id, p.today, p.days, top.category_id, top.minutes, s.days;
create table by_hand.goal_progress_snapshots as
with goals as (
    select g.goal_id, g.user_id, g.category_id, g.target_type, g.target_value, t.timezone, t.today, g.end_date, u.unit,
        date_trunc(u.unit, greatest(g.start_date, date '2000-01-01')::timestamp)::date as first_start
    from raw.scheduling__goals as g
    inner join by_hand.todays as t using (user_id)
    inner join (values ('daily', 'day'), ('weekly', 'week'), ('monthly', 'month')) as u (time_period, unit) using (time_period)
    where g.deleted_at is null and g.is_active and (g.end_date is null or g.end_date >= g.start_date)
), periods as (
    select g.*, p::date as period_start, (p + ('1 ' || g.unit)::interval)::date - 1 as period_end
    from goals as g
    cross join lateral generate_series(
        g.first_start::timestamp, least(g.end_date, g.today)::timestamp, ('1 ' || g.unit)::interval
    ) as p
), sums as (
    select g.goal_id, date_trunc(g.unit, d.date::timestamp)::date as period_start,
        sum(case when g.category_id is null then d.total_scheduled_minutes else c.scheduled_minutes end) as minutes,
        sum(case when g.category_id is null then d.completed_tasks_count else c.completed_tasks_count end) as tasks,
        sum(case when g.category_id is null then d.focus_minutes else c.scheduled_minutes end) as share,
        sum(d.total_scheduled_minutes) as of_all
    from goals as g
    inner join by_hand.analytics_daily_metrics as d on d.user_id = g.user_id and d.date <= g.today
    left join by_hand.category_daily_metrics as c on c.user_id = d.user_id and c.date = d.date and c.category_id = g.category_id
    group by 1, 2
), achieved as (
    select p.*, coalesce(case p.target_type when 'minutes' then s.minutes when 'task_count' then s.tasks
        else round(100.0 * s.share / nullif(s.of_all, 0)) end, 0)::integer as achieved_value
    from periods as p left join sums as s using (goal_id, period_start)
)
select goal_id, user_id, period_start, period_end, achieved_value, target_value,
    least(999.99, round(100.0 * achieved_value / target_value, 2))::numeric(5, 2) as percent_complete,
    case when achieved_value >= target_value then 'achieved' when period_end < today then 'missed'
        when achieved_value * (period_end - period_start + 1)::bigint >= (today - period_start)::bigint * target_value
            then 'on_track'
        when 2 * achieved_value * (period_end - period_start + 1)::bigint >= (today - period_start)::bigint * target_value
            then 'at_risk'
        else 'behind' end as status
from achieved;
