-- What the ledger says of dropped marts goes with them; so does the history of goals, which nothing can bring back.

drop table marts.quick_stats, marts.goal_progress_snapshots, control.goal_versions;
delete from control.publications where mart in ('quick_stats', 'goal_progress_snapshots');
delete from control.late_data where mart in ('quick_stats', 'goal_progress_snapshots');
alter table control.applications drop column oldest_as_of, drop column newest_as_of;
drop index control.local_days_skipped_idx;
