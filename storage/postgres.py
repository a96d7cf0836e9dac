"""The memory in PostgreSQL: what is remembered, what is still to be done, shared by processes."""
