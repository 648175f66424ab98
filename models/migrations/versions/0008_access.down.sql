-- Without rights of their own; ownership stays as it is.

alter table control.applications drop column failing_since, drop column last_error;
drop index quality.check_results_application_check_result_id_idx;
alter table quality.check_results drop column reason, drop column failing_rows;
drop function control.make_partition(text, date);
drop function control.describe(text, text, text);
drop function control.update_statistics(text);
