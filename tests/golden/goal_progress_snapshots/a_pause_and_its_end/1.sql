-- as of 2024-03-13T12:00:00Z
-- publishes all
insert into scheduling.users (user_id, email, timezone) values
    ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'America/New_York');
insert into scheduling.goals (
    goal_id, user_id, name, target_type, target_value, time_period, start_date, updated_at
) values (
    '00000000-0000-4000-8000-000000000501', '00000000-0000-4000-8000-000000000001',
    'Two a week', 'task_count', 2, 'weekly', '2024-03-06', '2024-03-01T00:00:00Z'
);
insert into scheduling.tasks (task_id, user_id, title, status, completed_at) values
    ('00000000-0000-4000-8000-000000000101', '00000000-0000-4000-8000-000000000001', 'before it starts', 'completed',
     '2024-03-04T09:00:00-05:00'),
    ('00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000001', 'late on Sunday', 'completed',
     '2024-03-10T23:59:59-04:00'),
    ('00000000-0000-4000-8000-000000000103', '00000000-0000-4000-8000-000000000001', 'first on Monday', 'completed',
     '2024-03-11T00:00:00-04:00');
