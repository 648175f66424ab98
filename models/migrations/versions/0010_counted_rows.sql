alter table control.watermarks add column row_count bigint;
comment on column control.watermarks.row_count is 'Rows of the table in raw; null: the next extract counts them.';
