"""What tests need from outside the process: PostgreSQL servers, PgBouncer, a network that misbehaves."""
