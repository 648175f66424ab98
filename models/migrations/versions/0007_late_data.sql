-- The late-data ledger, readable from rows to publications and back.

alter table control.late_data add column first_batch_id bigint;
update control.late_data set first_batch_id = batch_id;
alter table control.late_data alter column first_batch_id set not null;
comment on column control.late_data.first_batch_id is 'Of the batches that were planned for together; batch_id is the last of them.';
create index late_data_publication_id_idx on control.late_data (publication_id);

create view control.late_partitions as
select
    late_data.late_data_id,
    late_data.application,
    late_data.source_table,
    late_data.first_batch_id,
    late_data.batch_id,
    late_data.row_count,
    late_data.dirtied_at,
    late_data.mart,
    late_data.partition_start,
    late_data.state,
    replaced.publication_id is not null as is_late,
    replaced.publication_id as replaced_publication_id,
    late_data.publication_id,
    publications.run_id,
    publications.published_at
from control.late_data
left join control.publications on late_data.publication_id = publications.publication_id
left join lateral (
    select earlier.publication_id from control.publications as earlier
    where
        earlier.mart = late_data.mart
        -- So spelt, an index finds it.
        and (
            earlier.partition_start = late_data.partition_start
            or (earlier.partition_start is null and late_data.partition_start is null)
        )
        and earlier.published_at < late_data.dirtied_at
    order by earlier.publication_id desc
    limit 1
) as replaced on true;
comment on view control.late_partitions is 'One row per batch, source table and partition that it dirtied: what had been published of it by then (is_late), and the publication that settled it. Rows of raw.<application>__<table> and of its __changes with _batch_id from first_batch_id through batch_id are those that dirtied it.';
