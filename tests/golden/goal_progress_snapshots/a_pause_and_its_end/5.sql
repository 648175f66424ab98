-- as of 2024-03-20T14:00:00Z
-- publishes 2024-03-11, 2024-03-18
-- Taken up again: the pause has left no gap.
update scheduling.goals set is_active = true, updated_at = '2024-03-20T13:30:00Z';
