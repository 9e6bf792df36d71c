"""Authenticate requests: by bearer token, or by the session and its tokens."""
