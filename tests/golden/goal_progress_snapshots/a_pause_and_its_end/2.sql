-- as of 2024-03-14T03:59:59Z
-- publishes 2024-03-01, 2024-03-11, 2024-03-15
-- Paused: there is no open period any more. In New York it is still the 13th.
update scheduling.goals set is_active = false, updated_at = '2024-03-13T13:00:00Z';
