-- One row per workflow, step and UTC month of enrolment with a day in workflow_step_metrics, from those days as they
-- will stand.
{{ workflow_step_metrics_of_periods('workflow_step_metrics_monthly', 'month', ref('int_workflows__step_visits')) }}
