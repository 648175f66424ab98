-- as of 2011-12-31T10:00:00Z
-- publishes -
-- Samoa skipped December 30, 2011: the 31st began where the 29th ended. It is now January 1 there.
insert into scheduling.users (user_id, email, timezone) values
    ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'Pacific/Apia');
insert into scheduling.tasks (task_id, user_id, title, status, completed_at) values
    ('00000000-0000-4000-8000-000000000101', '00000000-0000-4000-8000-000000000001', '26th', 'completed',
     '2011-12-26T12:00:00-10:00'),
    ('00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000001', '28th', 'completed',
     '2011-12-28T12:00:00-10:00'),
    ('00000000-0000-4000-8000-000000000103', '00000000-0000-4000-8000-000000000001', '29th, end', 'completed',
     '2011-12-30T09:59:59.999999Z'),
    ('00000000-0000-4000-8000-000000000104', '00000000-0000-4000-8000-000000000001', '31st, start', 'completed',
     '2011-12-30T10:00:00Z');
