"""The server: HTTP, access control, and one package for each feature."""
