"""Sessions between databases: copy and follow, and import from tower-sessions."""
