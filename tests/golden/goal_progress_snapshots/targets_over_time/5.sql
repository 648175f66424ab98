-- as of 2024-03-07T00:00:00Z
-- publishes 2024-03-06, 2024-03-07
-- An extract that comes late, from an application whose clock is behind: the new target is valid from 13:00 on the 6th,
-- when the one before it became valid, and so for the whole of the 6th.
update scheduling.goals set target_value = 10, updated_at = '2024-03-06T00:00:00Z';
