"""Who makes a request and what they may do: identity provider, tokens, roles and gates. Knows nothing of sessions or HTTP."""
