"""Storage: one schema on SQLite and PostgreSQL. Functions take a connection and share the caller's transaction."""
