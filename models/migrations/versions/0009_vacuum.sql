-- Vacuum gives the empty end of a table back to the disk, and has readers wait while it does: the next publication
-- would fill that space again, so the marts keep it.
create or replace function control.make_partition(mart text, month date) returns void
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
        'create table %1$I.%2$I (like %1$I.%3$I including all)'
        ' with (vacuum_truncate = false, toast.vacuum_truncate = false);'
        'alter table %1$I.%3$I attach partition %1$I.%2$I for values from (%4$L) to (%5$L)',
        'marts', partition, make_partition.mart, first, (first + interval '1 month')::date
    );
end
$$;

do $$
declare
    mart regclass;
begin
    for mart in
        select c.oid from pg_class as c where c.relnamespace = 'marts'::regnamespace and c.relkind = 'r'
    loop
        execute format('alter table %s set (vacuum_truncate = false, toast.vacuum_truncate = false)', mart);
    end loop;
end
$$;
