-- One row per workflow and UTC week with a day in workflow_analytics, from those days as they will stand.
{{ workflow_analytics_of_periods('workflow_analytics_weekly', 'week') }}
