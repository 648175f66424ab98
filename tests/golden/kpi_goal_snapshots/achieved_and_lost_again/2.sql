-- as of 2026-03-06T00:00:00Z
-- publishes 2026-03-02, 2026-03-03, 2026-03-04, 2026-03-05, 2026-03-06, 2026-03-07
-- Twelve more for the second day come late, and on the last day thirty are taken back: 10, 22, 42, 62, 32.
insert into services.metrics (service_name, metric_type, unit, value, recorded_at) values
    ('crm', 'revenue', 'EUR', 12, '2026-03-02T12:00:00Z'),
    ('crm', 'revenue', 'EUR', -30, '2026-03-05T12:00:00Z');
