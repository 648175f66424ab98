alter table control.applications drop column planned_as_of;
