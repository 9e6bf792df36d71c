"""Forward authentication for proxies."""
