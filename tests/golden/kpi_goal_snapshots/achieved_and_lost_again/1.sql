-- as of 2026-03-04T12:00:00Z
-- publishes 2026-03-01, 2026-03-02, 2026-03-03
-- Cumulative 10, 10, 30: slope 10, at day 5 140/3, residual sum of squares 200/3. Other units and metrics do not count.
insert into services.kpi_goals (
    goal_id, name, metric_type, unit, target_value, start_date, end_date, alert_threshold, created_by
) values (
    '00000000-0000-4000-8000-000000000001', 'Revenue of five days', 'revenue', 'EUR', 45, '2026-03-01', '2026-03-05',
    66.67, '00000000-0000-4000-8000-000000000002'
);
insert into services.metrics (service_name, metric_type, unit, value, recorded_at) values
    ('crm', 'revenue', 'EUR', 4, '2026-03-01T00:00:00Z'),
    ('shop', 'revenue', 'EUR', 6, '2026-03-01T23:59:59.999999Z'),
    ('shop', 'revenue', 'USD', 6, '2026-03-02T12:00:00Z'),
    ('shop', 'cost', 'EUR', 6, '2026-03-02T12:00:00Z'),
    ('crm', 'revenue', 'EUR', 20, '2026-03-03T12:00:00Z'),
    ('crm', 'revenue', 'EUR', 20, '2026-03-04T11:00:00Z');
