"""Access for other applications, by token exchange."""
