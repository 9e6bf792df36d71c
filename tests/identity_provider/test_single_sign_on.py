"""The provider's session: single sign-on."""

from support.provider import answer_in, authorization_url


async def test_logged_in_user_is_not_prompted(provider, http):
    """The second request of one browser goes straight back, in the same session; another browser is asked."""
    first = answer_in(await provider.log_in_url(authorization_url(provider), "power", browser=http))

    second = answer_in(await provider.log_in_url(authorization_url(provider), browser=http))
    third = answer_in(await provider.log_in_url(authorization_url(provider)))

    assert first["session_state"] == second["session_state"] != third["session_state"]
    assert first["code"] != second["code"]
    assert 2 == provider.counts["log_in"]


async def test_prompt_login_asks_again(provider, http):
    """So somebody else can come."""
    await provider.log_in_url(authorization_url(provider), "power", browser=http)

    await provider.log_in_url(authorization_url(provider, prompt="login"), "user", browser=http)

    assert 2 == provider.counts["log_in"]
    assert [1] == [len(provider.realm.sessions.of_person(provider.person("user").user_id))]


async def test_prompt_none_never_asks(provider, http):
    """It is an error while nobody is logged in, and silent afterwards."""
    stranger = answer_in(await provider.log_in_url(authorization_url(provider, prompt="none"), browser=http))
    assert "login_required" == stranger["error"]

    await provider.log_in_url(authorization_url(provider), browser=http)
    known = answer_in(await provider.log_in_url(authorization_url(provider, prompt="none"), browser=http))
    assert "code" in known


async def test_max_age_prompts_after_an_old_login(provider, http, clock):
    """The age is that of the login, however often it was used since."""
    await provider.log_in_url(authorization_url(provider), browser=http)
    clock.advance(61_000)

    await provider.log_in_url(authorization_url(provider, max_age="90"), browser=http)
    assert 1 == provider.counts["log_in"]
    await provider.log_in_url(authorization_url(provider, max_age="60"), browser=http)
    assert 2 == provider.counts["log_in"]


async def test_the_cookie_goes_to_the_provider_alone(provider, http):
    """Applications on the same host do not get it, nor do scripts."""
    request = authorization_url(provider)
    await provider.log_in_url(request, browser=http)

    [cookie] = http.cookie_jar
    assert ("/realms/bodhi", True, "Lax") == (cookie["path"], cookie["httponly"], cookie["samesite"])
    assert cookie.value in provider.issued_secrets
