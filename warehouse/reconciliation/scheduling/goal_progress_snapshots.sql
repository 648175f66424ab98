-- Equations of goal_progress_snapshots, per first day of a period: goals counted and their targets and achievements
-- summed from raw, from the recorded history and from the days as they will stand, starting at the days and not at
-- the periods. The days have equations of their own.
with parameters as (

    select * from control.current_run

),

run_dates as materialized (

    select partition_start as date
    from control.run_partitions cross join parameters
    where mart = 'goal_progress_snapshots' and partition_start <= last_date

),

rebuilt as (

    select mart, partition_start as date from control.run_partitions
    where mart in ('analytics_daily_metrics', 'category_daily_metrics') and not is_held_back

),

history as materialized (

    select
        goal_id, version, target_value, is_active,
        max(updated_at) over (partition by goal_id order by version) as valid_from
    from control.goal_versions

),

known as materialized (

    select h.* from history as h cross join parameters
    where valid_from <= as_of or version = (select min(f.version) from control.goal_versions as f where f.goal_id = h.goal_id)

),

last_known as (

    select
        goal_id, count(*) as versions,
        (array_agg(target_value order by version desc))[1] as target_value,
        max(version) filter (where is_active) as last_active, max(version) as last_version
    from known group by goal_id

),

goals as materialized (

    select
        g.goal_id, g.user_id, g.category_id, g.target_type, g.time_period, l.versions, l.target_value,
        coalesce(z.timezone, 'UTC') as timezone, g.end_date, t.date as today,
        case g.time_period when 'weekly' then 'week' when 'monthly' then 'month' else 'day' end as unit,
        greatest(g.start_date, p.earliest_date) as first_date,
        case when l.last_version is distinct from l.last_active then (
            select min(k.valid_from) from known as k where k.goal_id = g.goal_id and k.version > coalesce(l.last_active, 0)
        ) end as inactive_since
    from raw.scheduling__goals as g
    inner join raw.scheduling__users as u on u.user_id = g.user_id and u.deleted_at is null
    left join control.known_timezones as z on z.timezone = u.timezone
    inner join last_known as l on l.goal_id = g.goal_id
    cross join parameters as p
    inner join control.local_days as t
        on t.timezone = coalesce(z.timezone, 'UTC')
        and t.date between (p.as_of at time zone 'UTC')::date - 1 and (p.as_of at time zone 'UTC')::date + 1
        and t.starts_at <= p.as_of and t.ends_at > p.as_of
    where g.deleted_at is null and (g.end_date is null or g.end_date >= g.start_date) and g.start_date < 'infinity'

),

zone_periods as materialized (

    select
        d.timezone, units.unit, r.date, d.starts_at,
        coalesce(e.ends_at <= p.as_of, false) as has_ended, e.ends_at
    from run_dates as r
    cross join parameters as p
    cross join (values ('day', interval '0'), ('week', interval '6 days'), ('month', interval '1 month -1 day')) as units (unit, length)
    inner join control.local_days as d on d.date = r.date and d.starts_at <= p.as_of
    left join control.local_days as e on e.timezone = d.timezone and e.date = (r.date + units.length)::date
    where date_trunc(units.unit, r.date::timestamp) = r.date and d.timezone in (select goals.timezone from goals)

),

-- Goals of one history, zone and dates have the same periods: they are counted together.
alike as materialized (

    select
        timezone, unit, date_trunc(unit, first_date::timestamp)::date as first_start, end_date, inactive_since,
        case when versions > 1 then goal_id end as goal_id, count(*) as goals, sum(target_value) as targets
    from goals group by 1, 2, 3, 4, 5, 6

),

rows_expected as materialized (

    select
        z.date, sum(a.goals) as row_count,
        sum(case
            when a.goal_id is null or not z.has_ended then a.targets
            else coalesce(
                (select k.target_value from known as k where k.goal_id = a.goal_id and k.valid_from < z.ends_at order by k.version desc limit 1),
                (select k.target_value from known as k where k.goal_id = a.goal_id order by k.version limit 1)
            )
        end) as targets
    from alike as a
    inner join zone_periods as z
        on z.timezone = a.timezone and z.unit = a.unit and z.date >= a.first_start and z.date <= coalesce(a.end_date, 'infinity')
        and (a.inactive_since is null or (z.has_ended and z.starts_at <= a.inactive_since))
    group by z.date

),

span as (

    select min(date) as first_date, (max(date) + interval '1 month')::date as last_date from run_dates

),

days as materialized (

    select user_id, date, total_scheduled_minutes as minutes, completed_tasks_count as completed, focus_minutes as focus
    from candidate.analytics_daily_metrics
    where date in (select rebuilt.date from rebuilt where mart = 'analytics_daily_metrics')
    union all
    select user_id, date, total_scheduled_minutes, completed_tasks_count, focus_minutes
    from marts.analytics_daily_metrics as m
    where date >= (select first_date from span) and date <= (select last_date from span)
        and not exists (select from rebuilt where rebuilt.mart = 'analytics_daily_metrics' and rebuilt.date = m.date)

),

category_days as materialized (

    select user_id, date, category_id, scheduled_minutes as minutes, completed_tasks_count as completed
    from candidate.category_daily_metrics
    where date in (select rebuilt.date from rebuilt where mart = 'category_daily_metrics')
    union all
    select user_id, date, category_id, scheduled_minutes, completed_tasks_count
    from marts.category_daily_metrics as m
    where date >= (select first_date from span) and date <= (select last_date from span)
        and not exists (select from rebuilt where rebuilt.mart = 'category_daily_metrics' and rebuilt.date = m.date)

),

of_goals as (

    select
        g.goal_id, date_trunc(g.unit, d.date::timestamp)::date as date,
        sum(case when g.category_id is null then d.minutes else c.minutes end) as minutes,
        sum(case when g.category_id is null then d.completed else c.completed end) as completed,
        sum(case when g.category_id is null then d.focus else c.minutes end) as share,
        sum(d.minutes) as all_minutes
    from days as d
    inner join goals as g on g.user_id = d.user_id and d.date <= g.today
    left join category_days as c on c.user_id = d.user_id and c.date = d.date and c.category_id = g.category_id
    group by 1, 2

),

achieved_expected as (

    select
        o.date,
        sum(case g.target_type
            when 'minutes' then o.minutes
            when 'task_count' then o.completed
            else round(100::numeric * o.share / nullif(o.all_minutes, 0))
        end) as achieved
    from of_goals as o
    inner join goals as g on g.goal_id = o.goal_id
    inner join zone_periods as z
        on z.timezone = g.timezone and z.unit = g.unit and z.date = o.date
        and z.date >= date_trunc(g.unit, g.first_date::timestamp) and z.date <= coalesce(g.end_date, 'infinity')
        and (g.inactive_since is null or (z.has_ended and z.starts_at <= g.inactive_since))
    group by o.date

),

observed as (

    select period_start as date, count(*) as row_count, sum(target_value) as targets, sum(achieved_value) as achieved
    from candidate.goal_progress_snapshots group by period_start

)

select 'goal_progress_snapshots' as mart, equations.equation, d.date as partition_start, equations.observed::numeric as observed, equations.expected::numeric as expected
from run_dates as d
left join observed as o on o.date = d.date
left join rows_expected as r on r.date = d.date
left join achieved_expected as a on a.date = d.date
cross join lateral (
    values
    ('row_count', coalesce(o.row_count, 0), coalesce(r.row_count, 0)),
    ('targets', coalesce(o.targets, 0), coalesce(r.targets, 0)),
    ('achieved', coalesce(o.achieved, 0), coalesce(a.achieved, 0))
) as equations (equation, observed, expected)
