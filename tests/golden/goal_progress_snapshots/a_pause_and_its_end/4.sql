-- as of 2024-03-20T13:00:00Z
-- publishes 2024-03-18
-- A paused goal gets another target: its past keeps the old one.
update scheduling.goals set target_value = 5, updated_at = '2024-03-20T12:30:00Z';
