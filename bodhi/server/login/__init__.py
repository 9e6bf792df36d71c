"""Log in and out through the identity provider."""
