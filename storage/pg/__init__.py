"""The memory in PostgreSQL, in the same rooms as the one in SQLite; see storage.postgres."""
