-- What the ledger says of dropped marts goes with them.

drop table
    marts.workflow_analytics_hourly,
    marts.workflow_analytics_weekly,
    marts.workflow_analytics_monthly,
    marts.workflow_step_metrics,
    marts.workflow_step_metrics_weekly,
    marts.workflow_step_metrics_monthly,
    marts.workflow_action_metrics,
    marts.duration_histogram;
delete from control.publications where mart in (
    'workflow_analytics_hourly',
    'workflow_analytics_weekly',
    'workflow_analytics_monthly',
    'workflow_step_metrics',
    'workflow_step_metrics_weekly',
    'workflow_step_metrics_monthly',
    'workflow_action_metrics',
    'duration_histogram'
);
delete from control.late_data where mart in (
    'workflow_analytics_hourly',
    'workflow_analytics_weekly',
    'workflow_analytics_monthly',
    'workflow_step_metrics',
    'workflow_step_metrics_weekly',
    'workflow_step_metrics_monthly',
    'workflow_action_metrics',
    'duration_histogram'
);
drop index marts.workflow_executions_active_idx;
drop table control.duration_buckets;
alter table control.applications drop column facts_as_of_from;
alter table control.applications drop column facts_as_of_to;
