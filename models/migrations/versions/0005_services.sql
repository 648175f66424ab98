-- KPI goals, comparisons, forecasts and anomalies, and the alerts that leave Weir.

create table control.series_fits (
    fingerprint text not null,
    result jsonb not null,
    last_used_at timestamptz not null default now(),
    primary key (fingerprint)
);
comment on column control.series_fits.fingerprint is 'Hash of the values, the granularity and the version of the method.';
comment on column control.series_fits.result is 'What the fit gave: model, values, scores.';
comment on column control.series_fits.last_used_at is 'Fits that no run has asked for in a while are dropped.';

create table control.sent_alerts (
    goal_id uuid not null,
    channel text not null,
    date date not null,
    state text not null default 'pending',
    attempts integer not null default 0,
    last_error text,
    sent_at timestamptz,
    primary key (goal_id, channel)
);
comment on column control.sent_alerts.channel is 'Name of the channel: log, webhook.';
comment on column control.sent_alerts.date is 'Day of the goal on which it fired.';
comment on column control.sent_alerts.state is 'pending, sending, sent, or unknown (may have arrived; never sent again).';
comment on column control.sent_alerts.attempts is 'How often it was tried.';
comment on column control.sent_alerts.last_error is 'Why the last attempt failed.';
comment on column control.sent_alerts.sent_at is 'When the channel took it.';

create table marts.kpi_goal_snapshots (
    goal_id uuid not null,
    date date not null,
    current_value numeric(38, 12) not null,
    target_value double precision not null,
    progress_percentage numeric not null,
    expected_percentage numeric not null,
    on_track boolean not null,
    daily_required numeric,
    forecast_value double precision,
    forecast_lower double precision,
    forecast_upper double precision,
    projected_completion_date date,
    status text not null,
    alert boolean not null,
    primary key (goal_id, date)
) partition by range (date);
create index kpi_goal_snapshots_date_idx on marts.kpi_goal_snapshots (date);

create table marts.kpi_comparisons (
    comparison text not null,
    metric_type text not null,
    unit text not null,
    granularity text not null,
    period date not null,
    key text not null,
    value numeric(38, 12) not null,
    previous_value numeric(38, 12),
    change numeric(38, 12),
    change_pct numeric,
    share numeric,
    rank integer not null,
    is_best boolean not null,
    is_worst boolean not null,
    variance double precision,
    primary key (comparison, metric_type, unit, granularity, period, key)
);

create table marts.kpi_correlations (
    service_name_x text not null,
    metric_type_x text not null,
    segment_x text not null,
    unit_x text not null,
    service_name_y text not null,
    metric_type_y text not null,
    segment_y text not null,
    unit_y text not null,
    n integer not null,
    pearson double precision,
    spearman double precision,
    slope double precision,
    intercept double precision,
    r_squared double precision,
    primary key (
        service_name_x, metric_type_x, segment_x, unit_x, service_name_y, metric_type_y, segment_y, unit_y
    )
);

create table marts.kpi_anomalies (
    service_name text not null,
    metric_type text not null,
    segment text not null,
    unit text not null,
    date date not null,
    value double precision not null,
    expected double precision not null,
    z_score double precision not null,
    severity text not null,
    primary key (service_name, metric_type, segment, unit, date)
) partition by range (date);
create index kpi_anomalies_date_idx on marts.kpi_anomalies (date);

create table marts.kpi_forecasts (
    service_name text not null,
    metric_type text not null,
    unit text not null,
    granularity text not null,
    horizon integer not null,
    confidence_level numeric(3, 2) not null,
    as_of_date date not null,
    target_period date not null,
    forecast double precision,
    lower double precision,
    upper double precision,
    model text,
    status text not null,
    trend text,
    trend_strength double precision,
    seasonal_period integer,
    seasonality_strength double precision,
    primary key (service_name, metric_type, unit, granularity, horizon, confidence_level)
);

create table marts.kpi_forecast_accuracy (
    service_name text not null,
    metric_type text not null,
    unit text not null,
    granularity text not null,
    model text not null,
    is_chosen boolean not null,
    mase double precision,
    smape double precision,
    interval_coverage double precision,
    n integer not null,
    primary key (service_name, metric_type, unit, granularity, model)
);
