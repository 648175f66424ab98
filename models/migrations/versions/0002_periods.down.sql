-- What the ledger says of dropped marts goes with them.

drop table marts.analytics_monthly_metrics, marts.kpi_monthly;
delete from control.publications where mart in ('analytics_monthly_metrics', 'kpi_monthly');
delete from control.late_data where mart in ('analytics_monthly_metrics', 'kpi_monthly');
alter table control.run_partitions drop column is_held_back;
