"""The core of Weir: how a row gets from an application to a reader.

Belongs here: extract, local days, dirty partitions, the gate, publication, the ledger, the embedded server;
all of it usable without Dagster. Does not belong here: scheduling, the command line, the meaning of a mart
(``dbt_project``).
"""
