alter table control.watermarks drop column row_count;
