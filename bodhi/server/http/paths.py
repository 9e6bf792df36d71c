"""Paths of pages that several features link to."""

START_PATH = "/ui"
HOME_PATH = "/ui/chat"  # default target after a login
LOGIN_PATH = "/ui/login"
LOGGED_OUT = "logged_out"  # the state that a logout passes to the login page, directly or through the provider
SIGNED_OUT_PATH = f"{LOGIN_PATH}?state={LOGGED_OUT}"  # says that the user was signed out, and starts no login by itself
CALLBACK_PATH = "/ui/auth/callback"
ADMIN_PATH = "/ui/admin"
USER_PATH = f"{ADMIN_PATH}/person"  # one user; the id is in the query
REVIEW_PATH = "/ui/apps/access-requests/review"
SSO_PATH = "/ui/sso"  # on another host: begin of a hand-over
SSO_CODE_PATH = "/ui/sso/code"
SSO_SESSION_PATH = "/ui/sso/session"  # on another host
