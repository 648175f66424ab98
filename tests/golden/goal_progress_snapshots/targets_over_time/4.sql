-- as of 2024-03-07T00:00:00Z
-- publishes 2024-03-01, 2024-03-04, 2024-03-05
-- Late data: the periods that hold the day, and nothing else.
insert into scheduling.tasks (task_id, user_id, title, status, scheduled_slots) values
    ('00000000-0000-4000-8000-000000000103', '00000000-0000-4000-8000-000000000001', 'c', 'scheduled',
     '[{"start": "2024-03-05T09:00:00Z", "end": "2024-03-05T09:40:00Z"}]');
