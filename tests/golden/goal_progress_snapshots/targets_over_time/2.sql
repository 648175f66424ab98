-- as of 2024-03-06T14:00:00Z
-- publishes 2024-03-06
-- The target is raised: from today on, and not for what has ended.
update scheduling.goals set target_value = 90, updated_at = '2024-03-06T13:00:00Z';
