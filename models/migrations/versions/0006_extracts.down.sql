-- Columns were pairs of name and type.

update control.watermarks set columns = (
    select jsonb_agg(jsonb_build_array(c.value ->> 'name', c.value ->> 'type') order by c.ordinality)
    from jsonb_array_elements(columns) with ordinality as c
);
alter table control.watermarks
    drop column timeline,
    drop column server_started_at,
    drop column horizon,
    drop column relations,
    drop column definition,
    drop column mode,
    drop column proven_at;
alter table control.batch_tables drop column reason;
alter table control.batches drop column timeline;
comment on column control.batch_tables.mode is 'full (first load or resync) or xmin (changed rows).';
comment on column control.watermarks.columns is 'Name and type of each column, in order.';
