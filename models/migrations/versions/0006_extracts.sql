-- What extracts remember: the server's history, horizons, what stands behind views, proofs.
-- Tables read before have no mode yet: their next extract compares all rows.

alter table control.batches add column timeline integer;
comment on column control.batches.timeline is 'Of the source; another one: it was restored or failed over.';

alter table control.batch_tables add column reason text;
comment on column control.batch_tables.mode is 'full (first load), or how changes were found: xmin, xid8, cursor, compare.';
comment on column control.batch_tables.reason is 'Why all rows were compared although the table has another mode.';

alter table control.watermarks
    add column timeline integer,
    add column server_started_at timestamptz,
    add column horizon timestamptz,
    add column relations bigint[],
    add column definition text,
    add column mode text,
    add column proven_at timestamptz;
comment on column control.watermarks.columns is 'Number, name, type, type in raw, enum labels and expression of each column, in order.';
comment on column control.watermarks.timeline is 'Of the source, at the last extract.';
comment on column control.watermarks.server_started_at is 'Of the source: after a restart it may be a copy of an earlier state.';
comment on column control.watermarks.horizon is 'Mode cursor: no unseen row is of a transaction that began before.';
comment on column control.watermarks.relations is 'Oids of the tables and partitions whose rows were read.';
comment on column control.watermarks.definition is 'Hash of a view''s query.';
comment on column control.watermarks.mode is 'How changes were found: xmin, xid8, cursor, compare.';
comment on column control.watermarks.proven_at is 'When all rows were last compared with the source; null: the next extract does.';

update control.watermarks set columns = (
    select jsonb_agg(
        jsonb_build_object(
            'number', null, 'name', c.value ->> 0, 'type', c.value ->> 1, 'carried', c.value ->> 1,
            'labels', null, 'expression', null
        )
        order by c.ordinality
    )
    from jsonb_array_elements(columns) with ordinality as c
);
