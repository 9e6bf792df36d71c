"""Register this server at the identity provider."""
