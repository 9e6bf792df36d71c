"""The pages for people, under ``/ui``: they work without JavaScript, and show nothing that the API does not give."""

from bodhi.server.activity import pages as activity
from bodhi.server.apps import pages as app_review
from bodhi.server.home import pages as home
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.static_files import PATH, static_file
from bodhi.server.login import pages as login
from bodhi.server.roles import pages as access_requests
from bodhi.server.sessions import admin_pages as all_sessions
from bodhi.server.sessions import pages as sessions
from bodhi.server.settings import pages as all_settings
from bodhi.server.tokens import admin_pages as all_tokens
from bodhi.server.tokens import pages as own_tokens
from bodhi.server.users import pages as people
from bodhi.server.users import user_page as person

PAGES = (
    *home.OPERATIONS,
    *login.OPERATIONS,
    *sessions.OPERATIONS,
    *own_tokens.OPERATIONS,
    *people.OPERATIONS,
    *person.OPERATIONS,
    *all_sessions.OPERATIONS,
    *all_tokens.OPERATIONS,
    *all_settings.OPERATIONS,
    *access_requests.OPERATIONS,
    *app_review.OPERATIONS,
    *activity.OPERATIONS,
    Operation("GET", f"{PATH}/{{name}}", static_file, PUBLIC, "A file of the pages", in_document=False),
)
