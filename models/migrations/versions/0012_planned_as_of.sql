-- The instant that moves is the one of the last plan, which a rebuild of given days does not publish everything as of.
-- Null until the next plan: after a migration facts are built anew, and all of what they say is then counted.
alter table control.applications add column planned_as_of timestamptz;
comment on column control.applications.planned_as_of is
    'As of when facts counted where partitions were last marked dirty.';
