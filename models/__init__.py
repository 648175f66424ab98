"""Typed SQLAlchemy 2 tables, the only place where Python states what a table looks like.

Belongs here: the applications' tables (``models.source``), the warehouse's own tables of the schemas
``control`` and ``quality``, their bases and column types, migrations.

Does not belong here: queries, sessions, connections and any logic (``warehouse/``); marts and staging
views, whose columns dbt states (``dbt_project/``). Nothing here imports from the rest of the project.
"""
