"""Addresses of pages that several features lead to."""

START_PATH = "/ui"
HOME_PATH = "/ui/chat"  # where a login ends that leads to no other page
LOGIN_PATH = "/ui/login"
CALLBACK_PATH = "/ui/auth/callback"
ADMIN_PATH = "/ui/admin"
USER_PATH = f"{ADMIN_PATH}/person"  # one user; who it is stands in the query
REVIEW_PATH = "/ui/apps/access-requests/review"
