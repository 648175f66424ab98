{{ config(severity='error', meta={'mart': 'workflow_analytics_weekly'}) }}
-- Parts are no larger than their wholes, the rate is that of its counts, and durations are there where something
-- completed. A row names the first rule that it violates. That weeks are the sums of their days is an equation of the
-- reconciliation.
{{ workflow_analytics_violations('workflow_analytics_weekly', 'week') }}
