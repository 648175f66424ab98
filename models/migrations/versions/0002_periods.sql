-- Partitions that are weeks and months, made from the days as they will stand.

alter table control.run_partitions add column is_held_back boolean not null default false;
comment on column control.run_partitions.is_held_back is 'Failed a blocking check: keeps its last good rows.';

create table marts.analytics_monthly_metrics (
    user_id uuid not null,
    month date not null,
    total_scheduled_minutes bigint not null,
    completed_tasks_count bigint not null,
    scheduled_tasks_count bigint not null,
    completed_scheduled_tasks_count bigint not null,
    focus_minutes bigint not null,
    focus_capacity_minutes bigint not null,
    category_minutes jsonb not null,
    active_days bigint not null,
    primary key (user_id, month)
) partition by range (month);
create index analytics_monthly_metrics_month_idx on marts.analytics_monthly_metrics (month);

create table marts.kpi_monthly (
    service_name text not null,
    metric_type text not null,
    segment text not null,
    unit text not null,
    month date not null,
    value_sum numeric(38, 12) not null,
    value_count bigint not null,
    value_avg numeric(38, 6) not null,
    value_min double precision not null,
    value_max double precision not null,
    value_last double precision not null,
    primary key (service_name, metric_type, segment, unit, month)
) partition by range (month);
create index kpi_monthly_month_idx on marts.kpi_monthly (month);
