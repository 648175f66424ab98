-- Not as_of, which rebuilds of given days leave alone although they plan for all days. Null until the next plan, which
-- has no changes to look at: after a migration facts are built anew.
alter table control.applications add column planned_as_of timestamptz;
comment on column control.applications.planned_as_of is
    'As-of instant of the last plan: changes of facts are set against what counted as of then.';
