-- Functions of the marts' owner, for runs that have no right to definitions; why checks block or warn, and the
-- query for the rows that failed; since when an application fails.
-- Who may do what is granted by warehouse/access.py, after every migration.

-- Makes the partition of a month as a table and then attaches it: that lets readers of the mart go on, while
-- "create table ... partition of" would not.
create function control.make_partition(mart text, month date) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
    first date := date_trunc('month', make_partition.month::timestamp);
    partition text := make_partition.mart || to_char(first::timestamp, '_YYYY_MM');
begin
    if not exists (
        select from pg_class as c
        where c.relnamespace = 'marts'::regnamespace and c.relname = make_partition.mart and c.relkind = 'p'
    ) then
        raise exception 'there is no mart % with monthly partitions', make_partition.mart;
    end if;
    execute format(
        'create table %1$I.%2$I (like %1$I.%3$I including all);'
        'alter table %1$I.%3$I attach partition %1$I.%2$I for values from (%4$L) to (%5$L)',
        'marts', partition, make_partition.mart, first, (first + interval '1 month')::date
    );
end
$$;

-- Sets the comment of a mart, or of one of its columns; one that it does not have is left out.
create function control.describe(mart text, column_name text, description text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if describe.column_name is null then
        execute format('comment on table marts.%I is %L', describe.mart, describe.description);
    elsif exists (
        select from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = 'marts'::regnamespace and c.relname = describe.mart
            and a.attname = describe.column_name and a.attnum > 0 and not a.attisdropped
    ) then
        execute format('comment on column marts.%I.%I is %L', describe.mart, describe.column_name, describe.description);
    end if;
end
$$;

-- Brings the planner's statistics of a control table up to date: a right of owners before PostgreSQL 17.
create function control.update_statistics(relation text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('analyze control.%I', update_statistics.relation);
end
$$;

alter table quality.check_results
    add column reason text,
    add column failing_rows text;
comment on column quality.check_results.reason is 'Why it blocks, or only warns.';
comment on column quality.check_results.failing_rows is
    'Query for the rows that failed, in the candidate, until it is built again; null: passed, or there are none to show.';
create index check_results_application_check_result_id_idx on quality.check_results (application, check_result_id);

alter table control.applications
    add column failing_since timestamptz,
    add column last_error text;
comment on column control.applications.failing_since is
    'When the first of the last unbroken row of failed or blocked runs ended; null: the last one succeeded.';
comment on column control.applications.last_error is 'What the last run failed with.';
