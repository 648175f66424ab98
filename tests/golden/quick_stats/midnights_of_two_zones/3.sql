-- as of 2024-03-08T10:00:00Z
-- publishes -
-- A category is renamed, and hidden.
update scheduling.categories set name = 'Deep work', deleted_at = '2024-03-08T00:00:00Z' where name = 'Work';
