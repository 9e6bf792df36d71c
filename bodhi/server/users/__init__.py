"""The users of this server: profiles, roles, removal."""
