"""Server-side sessions for aiohttp, in SQLite or PostgreSQL."""
