-- What the ledger says of dropped marts goes with them.

drop table
    marts.kpi_goal_snapshots, marts.kpi_comparisons, marts.kpi_correlations, marts.kpi_anomalies, marts.kpi_forecasts,
    marts.kpi_forecast_accuracy;
delete from control.publications
where
    mart in (
        'kpi_goal_snapshots', 'kpi_comparisons', 'kpi_correlations', 'kpi_anomalies', 'kpi_forecasts',
        'kpi_forecast_accuracy'
    );
delete from control.late_data
where
    mart in (
        'kpi_goal_snapshots', 'kpi_comparisons', 'kpi_correlations', 'kpi_anomalies', 'kpi_forecasts',
        'kpi_forecast_accuracy'
    );
drop table control.series_fits, control.sent_alerts;
