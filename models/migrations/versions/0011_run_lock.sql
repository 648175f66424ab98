-- What a run locks for as long as it works (warehouse/lock.py); it has no rows. A view, because vacuum of the whole
-- database would wait for whoever has locked a table.
create view control.run_lock as select null::text as nothing where false;
comment on view control.run_lock is 'Locked by the run that works on the warehouse; whoever may write in control can.';
