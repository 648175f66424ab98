-- Equations of quick_stats: windows summed from the days as they will stand, and streaks counted
-- backwards over the windows of local days, as far as 90 days go. The days have equations of their own.
with parameters as (

    select * from control.current_run

),

rebuilt as (

    select partition_start as date from control.run_partitions
    where mart = 'analytics_daily_metrics' and not is_held_back

),

-- As far as days go: where a rebuild of given days goes back in time, later ones stand.
standing as materialized (

    select user_id, date, total_scheduled_minutes, completed_tasks_count, focus_minutes
    from candidate.analytics_daily_metrics where date in (select rebuilt.date from rebuilt)
    union all
    select user_id, date, total_scheduled_minutes, completed_tasks_count, focus_minutes
    from marts.analytics_daily_metrics as m
    where
        date >= (select earliest_date - 1 from parameters) and date <= (select last_date from parameters)
        and not exists (select from rebuilt where rebuilt.date = m.date)

),

users as (

    select u.user_id, d.timezone, d.date - 1 as as_of_date
    from raw.scheduling__users as u
    cross join parameters
    left join control.known_timezones as z on z.timezone = u.timezone
    inner join control.local_days as d
        on d.timezone = coalesce(z.timezone, 'UTC')
        and d.date between (as_of at time zone 'UTC')::date - 1 and (as_of at time zone 'UTC')::date + 1
        and d.starts_at <= as_of and d.ends_at > as_of
    where u.deleted_at is null and exists (select from standing as s where s.user_id = u.user_id)

),

sums as (

    select
        coalesce(sum(s.total_scheduled_minutes), 0) as minutes, coalesce(sum(s.completed_tasks_count), 0) as completed,
        coalesce(sum(s.focus_minutes), 0) as focus
    from users as u
    inner join standing as s on s.user_id = u.user_id and s.date <= u.as_of_date
    inner join (values (7), (30), (90)) as windows (window_days) on s.date > u.as_of_date - windows.window_days

),

expected as (

    select (select count(*) * 3 from users) as row_count, sums.* from sums

),

recent as materialized (

    select user_id, date from standing, parameters
    where completed_tasks_count > 0 and date > (as_of at time zone 'UTC')::date - 94

),

broken as (

    select u.user_id, max(d.date) as date
    from users as u
    inner join control.local_days as d
        on d.timezone = u.timezone and d.date between u.as_of_date - 89 and u.as_of_date and d.starts_at < d.ends_at
    left join recent as r on r.user_id = u.user_id and r.date = d.date
    where r.user_id is null
    group by u.user_id

),

streaks as (

    select u.user_id, count(*) as days
    from users as u
    left join broken as b on b.user_id = u.user_id
    inner join control.local_days as d
        on d.timezone = u.timezone and d.starts_at < d.ends_at
        and d.date > coalesce(b.date, u.as_of_date - 90) and d.date <= u.as_of_date
    group by u.user_id

),

observed as (

    select
        count(*) as row_count,
        coalesce(sum(total_scheduled_minutes), 0) as minutes, coalesce(sum(completed_tasks_count), 0) as completed,
        coalesce(sum(focus_minutes), 0) as focus
    from candidate.quick_stats

),

-- Streaks that fill the 90 days are as long as these at least; a skipped date makes them shorter by one.
streaks_compared as (

    select
        coalesce(sum(least(q.streak_days_completed, coalesce(s.days, 0))), 0) as observed,
        coalesce(sum(case when b.user_id is null then least(q.streak_days_completed, s.days) else coalesce(s.days, 0) end), 0) as expected,
        count(*) filter (where b.user_id is not null and q.streak_days_completed > coalesce(s.days, 0)) as longer,
        count(*) filter (where b.user_id is null and q.streak_days_completed < s.days) as shorter
    from candidate.quick_stats as q
    left join streaks as s on s.user_id = q.user_id
    left join broken as b on b.user_id = q.user_id

)

select
    'quick_stats' as mart, equations.equation, null::date as partition_start,
    equations.observed::numeric as observed, equations.expected::numeric as expected
from expected cross join observed cross join streaks_compared
cross join lateral (
    values
    ('row_count', observed.row_count, expected.row_count),
    ('scheduled_minutes', observed.minutes, expected.minutes),
    ('completed_tasks', observed.completed, expected.completed),
    ('focus_minutes', observed.focus, expected.focus),
    ('streaks', streaks_compared.observed + longer, streaks_compared.expected + shorter)
) as equations (equation, observed, expected)
