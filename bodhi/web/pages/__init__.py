"""The pages for people, under ``/ui``: they work without JavaScript, and show nothing that the API does not give."""

from bodhi.web.operations import PUBLIC, Operation
from bodhi.web.pages import (
    access_requests,
    activity,
    all_sessions,
    all_settings,
    all_tokens,
    app_review,
    home,
    login,
    own_tokens,
    people,
    person,
    sessions,
)
from bodhi.web.pages.static import PATH, static_file

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
