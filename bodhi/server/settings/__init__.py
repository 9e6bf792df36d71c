"""Settings that are changed while the server runs."""
