"""Alembic's entry: migrations run on the connection that serving.store.migrate holds."""

from alembic import context

from serving.plans import tables as plan_tables  # noqa: F401  (their tables join the metadata)
from serving.pricing import tables as quote_tables  # noqa: F401  (their tables join the metadata)
from serving.store import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
