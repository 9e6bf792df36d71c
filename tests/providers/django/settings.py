"""Settings of a Django project that serves OpenID Connect; those of django-oauth-toolkit are as the page says."""

from os import environ

LOGIN_PAGE = """<!doctype html><html lang="en"><title>Log in</title><link rel="icon" href="data:,">
<form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form></html>"""

ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = "of-a-test-and-nothing-else"
SESSION_COOKIE_NAME = "django_session"
CSRF_COOKIE_NAME = "django_csrf"
ROOT_URLCONF = "urls"
LOGIN_URL = "/accounts/login/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": environ["PROVIDER_DATABASE"]}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"],
            "loaders": [
                ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE}),
                "django.template.loaders.app_directories.Loader",
            ],
        },
    }
]
# What the page tells operators to set.
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_RSA_PRIVATE_KEY": environ["PROVIDER_KEY"],
    "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
    "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
    "SCOPES": {"openid": "Who you are", "profile": "Your name", "email": "Your address", "groups": "Your groups"},
    "OAUTH2_VALIDATOR_CLASS": "validator.Validator",
    "ACCESS_TOKEN_EXPIRE_SECONDS": int(environ["PROVIDER_TOKEN_SECONDS"]),
}
