drop view control.run_lock;
