{{ config(severity='error', meta={'mart': 'workflow_step_metrics_weekly'}) }}
-- Whoever enters a step completes it, fails, is lost or is on the way, and nobody comes to a step past the one before
-- it; open cohorts are never counted as lost. A row names the first rule that it violates. That weeks are the sums of
-- their days is an equation of the reconciliation.
{{ funnel_violations('workflow_step_metrics_weekly', 'week') }}
