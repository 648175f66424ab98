-- Equations of the scheduling application: measures recomputed from raw and from the quarantine, without the
-- facts and models that the candidate was built from. One row per mart, equation and day.
with parameters as (

    select * from control.current_run

),

run_days as (

    select mart, partition_start as date
    from control.run_partitions cross join parameters
    where application = 'scheduling' and partition_start <= last_date

),

windows as materialized (

    select * from control.local_days
    where date in (select run_days.date from run_days) and starts_at < ends_at

),

users as (

    select u.user_id, coalesce(z.timezone, 'UTC') as timezone
    from raw.scheduling__users as u
    left join control.known_timezones as z on z.timezone = u.timezone
    where u.deleted_at is null

),

quarantined as materialized (

    select source_table, row_key::uuid as id, position, reason
    from quality.quarantine
    where source_table in ('scheduling.tasks', 'scheduling.user_calendar_days') and released_at is null

),

-- From the first through the last window. A date as written, with its offset, is within a day of the UTC date: what
-- the texts' first ten characters show to be elsewhere need not be read any further.
reach as (

    select
        min(starts_at) as first_at, max(ends_at) as last_at,
        to_char((min(starts_at) at time zone 'UTC')::date - 1, 'YYYY-MM-DD') as first_text,
        to_char((max(ends_at) at time zone 'UTC')::date + 1, 'YYYY-MM-DD') as last_text
    from windows

),

elements as (

    select
        'scheduling.tasks' as source_table, t.task_id as id, t.user_id,
        coalesce(t.category_id, '00000000-0000-0000-0000-000000000000') as category_id,
        e.slot ->> 'start' as start_text, e.slot ->> 'end' as end_text, e.n::integer - 1 as position
    from raw.scheduling__tasks as t
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(t.scheduled_slots) = 'array' then t.scheduled_slots else '[]' end
    ) with ordinality as e (slot, n)
    where t.deleted_at is null and t.status <> 'cancelled'
    union all
    select
        'scheduling.user_calendar_days', d.calendar_day_id, d.user_id, null,
        e.slot ->> 'start', e.slot ->> 'end', e.n::integer - 1
    from raw.scheduling__user_calendar_days as d
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(d.focus_slots) = 'array' then d.focus_slots else '[]' end
    ) with ordinality as e (slot, n)
    offset 0 -- a fence: texts are taken out of an element once

),

elements_in_reach as materialized (

    select e.*
    from elements as e
    where left(e.start_text, 10) collate "C" <= (select reach.last_text from reach)
        and left(e.end_text, 10) collate "C" >= (select reach.first_text from reach)

),

used as materialized (

    select e.*, u.timezone
    from elements_in_reach as e
    inner join users as u on u.user_id = e.user_id
    where not exists (
        select from quarantined as q
        where q.source_table = e.source_table and q.id = e.id and q.position = e.position
    )

),

slots as materialized (

    select
        source_table, id, user_id, category_id, timezone,
        -- The contract cuts fractions that the cast would round, and allows offsets that it does not read.
        case when length(start_text) in (20, 25) then start_text else regexp_replace(
            regexp_replace(start_text, '(\.\d{6})\d+', '\1'), '([+-]\d\d):?(\d\d):?(\d\d)$', '\1:\2:\3'
        ) end::timestamptz as starts_at,
        case when length(end_text) in (20, 25) then end_text else regexp_replace(
            regexp_replace(end_text, '(\.\d{6})\d+', '\1'), '([+-]\d\d):?(\d\d):?(\d\d)$', '\1:\2:\3'
        ) end::timestamptz as ends_at
    from used

),

-- Cut at UTC midnights: what falls into them is found by zone and UTC date, and minutes of parts add up.
cuts as materialized (

    select
        w.timezone, w.date, (w.starts_at at time zone 'UTC')::date + d as utc_date,
        greatest(w.starts_at, ((w.starts_at at time zone 'UTC')::date + d)::timestamp at time zone 'UTC') as starts_at,
        least(w.ends_at, ((w.starts_at at time zone 'UTC')::date + d + 1)::timestamp at time zone 'UTC') as ends_at
    from windows as w
    cross join lateral generate_series(0, (w.ends_at at time zone 'UTC')::date - (w.starts_at at time zone 'UTC')::date) as d

),

pieces as (

    select
        s.source_table, s.user_id, s.category_id, c.date,
        (
            date_part('epoch', date_trunc('minute', least(s.ends_at, c.ends_at) at time zone 'UTC'))
            - date_part('epoch', date_trunc('minute', greatest(s.starts_at, c.starts_at) at time zone 'UTC'))
        )::integer / 60 as minutes
    from slots as s
    cross join lateral generate_series(0, (s.ends_at at time zone 'UTC')::date - (s.starts_at at time zone 'UTC')::date) as d
    inner join cuts as c
        on c.timezone = s.timezone and c.utc_date = (s.starts_at at time zone 'UTC')::date + d
        and c.starts_at < s.ends_at and c.ends_at > s.starts_at

),

-- The zone of each first: joined with users, windows would be as many as users and days.
completed as materialized (

    select
        t.user_id, coalesce(t.category_id, '00000000-0000-0000-0000-000000000000') as category_id,
        t.completed_at, u.timezone
    from raw.scheduling__tasks as t
    inner join users as u on u.user_id = t.user_id
    where t.deleted_at is null
        and t.completed_at >= (select greatest(earliest_date::timestamp at time zone 'UTC', reach.first_at) from parameters cross join reach)
        and t.completed_at < (select reach.last_at from reach)

),

-- One pass over both: the rest is read from these sums.
measures as materialized (

    select user_id, date, category_id, source_table, sum(minutes) as minutes, 0 as completed
    from pieces
    group by user_id, date, category_id, source_table
    union all
    select s.user_id, c.date, s.category_id, 'scheduling.tasks', 0, count(*)
    from completed as s
    inner join cuts as c
        on c.timezone = s.timezone and c.utc_date = (s.completed_at at time zone 'UTC')::date
        and c.starts_at <= s.completed_at and c.ends_at > s.completed_at
    group by s.user_id, c.date, s.category_id

),

expected_by_day as (

    select
        date, coalesce(sum(minutes) filter (where source_table = 'scheduling.tasks'), 0) as minutes,
        sum(completed) as completed
    from measures group by date

),

expected_rows as (

    select 'analytics_daily_metrics' as mart, date, count(distinct user_id) as row_count
    from measures
    where minutes > 0 or completed > 0
    group by date
    union all
    select 'category_daily_metrics', date, count(*)
    from (
        select date from measures
        where source_table = 'scheduling.tasks'
        group by user_id, date, category_id
        having sum(minutes) > 0 or sum(completed) > 0
    ) as user_day_categories
    group by date

),

observed as (

    select
        'analytics_daily_metrics' as mart, date, count(*) as row_count,
        sum(total_scheduled_minutes) as minutes, sum(completed_tasks_count) as completed
    from candidate.analytics_daily_metrics group by date
    union all
    select 'category_daily_metrics', date, count(*), sum(scheduled_minutes), sum(completed_tasks_count)
    from candidate.category_daily_metrics group by date

),

compared as (

    select
        d.mart, d.date,
        coalesce(o.row_count, 0) as row_count, coalesce(r.row_count, 0) as expected_row_count,
        coalesce(o.minutes, 0) as minutes, coalesce(e.minutes, 0) as expected_minutes,
        coalesce(o.completed, 0) as completed, coalesce(e.completed, 0) as expected_completed
    from run_days as d
    left join observed as o on o.mart = d.mart and o.date = d.date
    left join expected_rows as r on r.mart = d.mart and r.date = d.date
    left join expected_by_day as e on e.date = d.date
    where d.mart in ('analytics_daily_metrics', 'category_daily_metrics')

),

-- The days that months are made of, as they will stand.
rebuilt as (

    select partition_start as date from control.run_partitions
    where mart = 'analytics_daily_metrics' and not is_held_back

),

months as (

    select date as month, (date + interval '1 month')::date as after
    from run_days where mart = 'analytics_monthly_metrics'

),

standing as (

    select user_id, date, total_scheduled_minutes, completed_tasks_count, focus_minutes
    from candidate.analytics_daily_metrics where date in (select rebuilt.date from rebuilt)
    union all
    select user_id, date, total_scheduled_minutes, completed_tasks_count, focus_minutes
    from marts.analytics_daily_metrics as m
    where
        date >= (select min(months.month) from months) and date < (select max(months.after) from months)
        and not exists (select from rebuilt where rebuilt.date = m.date)

),

months_expected as (

    select
        months.month, count(distinct user_id) as row_count, count(user_id) as active_days,
        coalesce(sum(total_scheduled_minutes), 0) as minutes, coalesce(sum(completed_tasks_count), 0) as completed,
        coalesce(sum(focus_minutes), 0) as focus
    from months left join standing on standing.date >= months.month and standing.date < months.after
    group by months.month

),

months_observed as (

    select
        month, count(*) as row_count, sum(active_days) as active_days, sum(total_scheduled_minutes) as minutes,
        sum(completed_tasks_count) as completed, sum(focus_minutes) as focus
    from candidate.analytics_monthly_metrics group by month

),

months_compared as (

    select e.month, equations.*
    from months_expected as e
    left join months_observed as o on o.month = e.month
    cross join lateral (
        values
        ('row_count', coalesce(o.row_count, 0), e.row_count),
        ('active_days', coalesce(o.active_days, 0), e.active_days),
        ('scheduled_minutes', coalesce(o.minutes, 0), e.minutes),
        ('completed_tasks', coalesce(o.completed, 0), e.completed),
        ('focus_minutes', coalesce(o.focus, 0), e.focus)
    ) as equations (equation, observed, expected)

),

-- All of them, wherever they are: none is lost on the way from raw to the facts.
elements_counted as (

    select sum(jsonb_array_length(slots)) as row_count
    from (
        select user_id, scheduled_slots as slots from raw.scheduling__tasks
        where deleted_at is null and status <> 'cancelled'
        union all
        select user_id, focus_slots from raw.scheduling__user_calendar_days
    ) as arrays
    where user_id in (select users.user_id from users) and jsonb_typeof(slots) = 'array'

)

select mart, 'row_count' as equation, date as partition_start, row_count::numeric as observed, expected_row_count::numeric as expected
from compared
union all
select mart, 'scheduled_minutes', date, minutes, expected_minutes from compared
union all
select mart, 'completed_tasks', date, completed, expected_completed from compared
union all
select 'analytics_monthly_metrics', equation, month, observed, expected from months_compared
union all
select
    null, 'slots_read_equal_used_and_left_out', null,
    (select coalesce(elements_counted.row_count, 0) from elements_counted),
    (select count(position) from intermediate.int_scheduling__task_slots)
    + (select count(position) from intermediate.int_scheduling__focus_slots)
union all
select 'dim_user', 'row_count', null, (select count(*) from candidate.dim_user), (select count(*) from raw.scheduling__users)
union all
select 'dim_category', 'row_count', null, (select count(*) from candidate.dim_category), (select count(*) from raw.scheduling__categories)
union all
select 'dim_goal', 'row_count', null, (select count(*) from candidate.dim_goal), (select count(*) from raw.scheduling__goals)
union all
select
    'dim_local_day', 'row_count', null, (select count(*) from candidate.dim_local_day),
    (select count(distinct timezone) from users)
    * coalesce((select greatest(last_date - first_date + 1, 0) from parameters cross join intermediate.int_scheduling__first_day), 0)
