-- as of 2024-03-06T12:00:00Z
-- publishes all
insert into scheduling.users (user_id, email, timezone) values
    ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'UTC');
insert into scheduling.goals (
    goal_id, user_id, name, target_type, target_value, time_period, start_date, updated_at
) values (
    '00000000-0000-4000-8000-000000000501', '00000000-0000-4000-8000-000000000001',
    'An hour a day', 'minutes', 60, 'daily', '2024-03-04', '2024-03-01T00:00:00Z'
);
insert into scheduling.tasks (task_id, user_id, title, status, scheduled_slots) values
    ('00000000-0000-4000-8000-000000000101', '00000000-0000-4000-8000-000000000001', 'a', 'scheduled',
     '[{"start": "2024-03-04T09:00:00Z", "end": "2024-03-04T10:00:00Z"}]'),
    ('00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000001', 'b', 'scheduled',
     '[{"start": "2024-03-05T23:30:00Z", "end": "2024-03-06T00:10:00Z"}]');
