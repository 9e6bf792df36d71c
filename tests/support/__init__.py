"""External resources of tests: PostgreSQL servers, PgBouncer, proxies, a faulty network."""
