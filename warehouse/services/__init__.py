"""What Python computes for the marts of the services: forecasts, anomalies, correlations; and alerts.

Belongs here: methods on arrays of numbers, and what hands them the rows. Does not belong here: sums and
comparisons, which are SQL.
"""
