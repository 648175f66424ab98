-- Goals with their history, and the figures of widgets.

create table control.goal_versions (
    goal_id uuid not null,
    version integer not null,
    target_value integer not null,
    is_active boolean not null,
    updated_at timestamptz not null,
    batch_id bigint not null,
    recorded_at timestamptz default now() not null,
    constraint goal_versions_pkey primary key (goal_id, version)
);
comment on column control.goal_versions.version is '1, 2, … in the order in which the warehouse saw them.';
comment on column control.goal_versions.updated_at is 'As the application set it; a version is valid from it, but not before the one before it.';
comment on column control.goal_versions.batch_id is 'The extract that brought it; 0: before the first one that is known.';

alter table control.applications add column oldest_as_of timestamptz;
alter table control.applications add column newest_as_of timestamptz;
comment on column control.applications.oldest_as_of is 'No published partition stands as of an earlier instant, but where that makes no difference.';
comment on column control.applications.newest_as_of is 'No published partition stands as of a later instant, but where that makes no difference.';
update control.applications set oldest_as_of = as_of, newest_as_of = as_of;

create index local_days_skipped_idx on control.local_days (timezone, date) where starts_at = ends_at;

create table marts.quick_stats (
    user_id uuid not null,
    as_of_date date not null,
    window_days integer not null,
    total_scheduled_minutes integer not null,
    completed_tasks_count integer not null,
    scheduled_tasks_count integer not null,
    completed_scheduled_tasks_count integer not null,
    focus_minutes integer not null,
    focus_capacity_minutes integer not null,
    focus_time_utilization numeric(10, 4),
    top_category_id uuid,
    top_category_name text,
    top_category_minutes integer,
    streak_days_completed integer not null,
    primary key (user_id, window_days)
);

create table marts.goal_progress_snapshots (
    snapshot_id uuid not null,
    user_id uuid not null,
    goal_id uuid not null,
    period_start date not null,
    period_end date not null,
    achieved_value integer not null,
    target_value integer not null,
    percent_complete numeric(5, 2) not null,
    status text not null,
    taken_at timestamptz not null,
    primary key (goal_id, period_start)
) partition by range (period_start);
create index goal_progress_snapshots_user_id_period_start_idx on marts.goal_progress_snapshots (user_id, period_start);
create index goal_progress_snapshots_period_start_idx on marts.goal_progress_snapshots (period_start);
