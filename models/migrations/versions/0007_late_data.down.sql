-- What a batch dirtied is then known without the batches planned for with it.

drop view control.late_partitions;
drop index control.late_data_publication_id_idx;
alter table control.late_data drop column first_batch_id;
