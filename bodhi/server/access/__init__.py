"""Who makes a request and what they may do; nothing here knows of HTTP."""
