"""Who makes a request, and what they may do: the identity provider, tokens, roles and gates; no sessions, no HTTP."""
