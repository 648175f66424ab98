-- Workflows in full: hours, weeks, months, funnels, actions and histograms of durations.

alter table control.applications add column facts_as_of_from timestamptz;
alter table control.applications add column facts_as_of_to timestamptz;
comment on column control.applications.facts_as_of_from is
    'Facts are as of this instant, or, while they are computed, of one from here through facts_as_of_to.';
comment on column control.applications.facts_as_of_to is
    'As facts_as_of_from, or the latest that they may be as of; infinity after an interruption.';

-- Any duration lies within one percent of the middle of its bucket: a bucket is as wide as 1/51 of its lower bound. Up to
-- 51 microseconds each has a bucket of its own, and so has 0. Integers only, so that every engine agrees.
create table control.duration_buckets (
    bucket integer not null,
    lower_microseconds bigint not null,
    upper_microseconds bigint not null,
    constraint pk_duration_buckets primary key (bucket)
);
comment on column control.duration_buckets.lower_microseconds is 'Inclusive.';
comment on column control.duration_buckets.upper_microseconds is 'Inclusive.';
insert into control.duration_buckets (bucket, lower_microseconds, upper_microseconds)
with recursive buckets (bucket, lower_bound, upper_bound) as (
    select 0, 0::numeric, 0::numeric
    union all
    select bucket + 1, upper_bound + 1, least(upper_bound + 1 + div(upper_bound + 1, 51), 9223372036854775807)
    from buckets
    where upper_bound < 9223372036854775807
)
select bucket, lower_bound::bigint, upper_bound::bigint from buckets;

create index workflow_executions_active_idx on marts.workflow_executions (workflow_id, enrolled_at)
where ended_at is null;

create table marts.workflow_analytics_hourly (
    workflow_id uuid not null,
    hour timestamptz not null,
    enrolled_count bigint not null,
    completed_count bigint not null,
    failed_count bigint not null,
    exited_count bigint not null,
    goal_count bigint not null,
    primary key (workflow_id, hour)
) partition by range (hour);
create index workflow_analytics_hourly_hour_idx on marts.workflow_analytics_hourly (hour);

create table marts.workflow_analytics_weekly (
    workflow_id uuid not null,
    week date not null,
    enrolled_count bigint not null,
    completed_count bigint not null,
    failed_count bigint not null,
    exited_count bigint not null,
    goal_count bigint not null,
    active_count bigint not null,
    cohort_converted_count bigint not null,
    conversion_rate numeric(10, 4),
    unique_contacts bigint not null,
    avg_duration_seconds double precision,
    p50_duration_seconds double precision,
    p95_duration_seconds double precision,
    primary key (workflow_id, week)
) partition by range (week);
create index workflow_analytics_weekly_week_idx on marts.workflow_analytics_weekly (week);

create table marts.workflow_analytics_monthly (
    workflow_id uuid not null,
    month date not null,
    enrolled_count bigint not null,
    completed_count bigint not null,
    failed_count bigint not null,
    exited_count bigint not null,
    goal_count bigint not null,
    active_count bigint not null,
    cohort_converted_count bigint not null,
    conversion_rate numeric(10, 4),
    unique_contacts bigint not null,
    avg_duration_seconds double precision,
    p50_duration_seconds double precision,
    p95_duration_seconds double precision,
    primary key (workflow_id, month)
) partition by range (month);
create index workflow_analytics_monthly_month_idx on marts.workflow_analytics_monthly (month);

create table marts.workflow_step_metrics (
    workflow_id uuid not null,
    step_id uuid not null,
    date date not null,
    step_position integer not null,
    step_name text not null,
    enrolled_count bigint not null,
    entered_count bigint not null,
    skipped_count bigint not null,
    completed_count bigint not null,
    failed_count bigint not null,
    dropped_count bigint not null,
    open_count bigint not null,
    conversion_from_start numeric(10, 4),
    conversion_from_previous numeric(10, 4),
    is_mature boolean not null,
    avg_seconds_in_step double precision,
    p50_seconds_in_step double precision,
    p95_seconds_in_step double precision,
    primary key (workflow_id, step_id, date)
) partition by range (date);
create index workflow_step_metrics_date_idx on marts.workflow_step_metrics (date);
create index workflow_step_metrics_workflow_idx on marts.workflow_step_metrics (workflow_id, date);

create table marts.workflow_step_metrics_weekly (
    workflow_id uuid not null,
    step_id uuid not null,
    week date not null,
    step_position integer not null,
    step_name text not null,
    enrolled_count bigint not null,
    entered_count bigint not null,
    skipped_count bigint not null,
    completed_count bigint not null,
    failed_count bigint not null,
    dropped_count bigint not null,
    open_count bigint not null,
    conversion_from_start numeric(10, 4),
    conversion_from_previous numeric(10, 4),
    is_mature boolean not null,
    unique_contacts bigint not null,
    avg_seconds_in_step double precision,
    p50_seconds_in_step double precision,
    p95_seconds_in_step double precision,
    primary key (workflow_id, step_id, week)
) partition by range (week);
create index workflow_step_metrics_weekly_week_idx on marts.workflow_step_metrics_weekly (week);
create index workflow_step_metrics_weekly_workflow_idx on marts.workflow_step_metrics_weekly (workflow_id, week);

create table marts.workflow_step_metrics_monthly (
    workflow_id uuid not null,
    step_id uuid not null,
    month date not null,
    step_position integer not null,
    step_name text not null,
    enrolled_count bigint not null,
    entered_count bigint not null,
    skipped_count bigint not null,
    completed_count bigint not null,
    failed_count bigint not null,
    dropped_count bigint not null,
    open_count bigint not null,
    conversion_from_start numeric(10, 4),
    conversion_from_previous numeric(10, 4),
    is_mature boolean not null,
    unique_contacts bigint not null,
    avg_seconds_in_step double precision,
    p50_seconds_in_step double precision,
    p95_seconds_in_step double precision,
    primary key (workflow_id, step_id, month)
) partition by range (month);
create index workflow_step_metrics_monthly_month_idx on marts.workflow_step_metrics_monthly (month);
create index workflow_step_metrics_monthly_workflow_idx on marts.workflow_step_metrics_monthly (workflow_id, month);

create table marts.workflow_action_metrics (
    workflow_id uuid not null,
    step_id uuid not null,
    action_type text not null,
    date date not null,
    attempted_count bigint not null,
    succeeded_count bigint not null,
    failed_count bigint not null,
    delivered_count bigint not null,
    opened_count bigint not null,
    clicked_count bigint not null,
    success_rate numeric(10, 4),
    avg_duration_ms double precision,
    p50_duration_ms double precision,
    p95_duration_ms double precision,
    primary key (workflow_id, step_id, action_type, date)
) partition by range (date);
create index workflow_action_metrics_date_idx on marts.workflow_action_metrics (date);

create table marts.duration_histogram (
    workflow_id uuid not null,
    step_id uuid not null,
    date date not null,
    bucket integer not null,
    bucket_upper_seconds double precision not null,
    representative_seconds double precision not null,
    count bigint not null,
    total_microseconds numeric(38, 0) not null,
    primary key (workflow_id, step_id, date, bucket)
) partition by range (date);
create index duration_histogram_date_idx on marts.duration_histogram (date);
