import asyncio
import ssl

import pytest

from bodhi.oidc import ProviderMisconfigured, ProviderUnavailable
from bodhi.oidc.discovery import REFRESH_SECONDS, RETRY_SECONDS, Discovery, Issuer, Metadata
from bodhi.oidc.transport import Transport
from oidc.background import settled
from oidc.scripted import DISCOVERY, HANGS, RESETS, Reply
from support.certificates import write_certificate

UNUSABLE = {
    "an error": Reply(500, {"error": "server_error"}),
    "a gateway's page": Reply(502, b"<html>Bad Gateway</html>"),
    "too many requests": Reply(429),
    "forbidden": Reply(403),
    "HTML": Reply(200, b"<html>It works</html>"),
    "nothing": Reply(200, b""),
    "a list": Reply(200, []),
    "an empty object": Reply(200, {}),
    "deep nesting": Reply(200, b"[" * 100_000),
    "a redirect": Reply(302, headers={"Location": "/elsewhere"}),
    "too much": Reply(200, b'{"issuer": "' + b"x" * 600_000 + b'"}'),
    "a reset": RESETS,
}


async def test_discovery_is_fetched_once(provider, scripted):
    """Endpoints come from the provider's metadata, which is kept."""
    scripted.describe(authorization_endpoint="http://login.example/authorize?tenant=1")

    urls = [await provider.end_session_url("bodhi", return_to="http://b/") for _ in range(3)]

    assert 3 == len(urls)
    assert 1 == scripted.count(DISCOVERY)


async def test_concurrent_callers_share_one_fetch(provider, scripted):
    """Fifty who need the metadata at once cause one request."""
    await asyncio.gather(*(provider.announces_issuer() for _ in range(50)))

    assert 1 == scripted.count(DISCOVERY)


async def test_cancelled_caller_does_not_cancel_the_fetch(provider, scripted):
    """The cancellation of whoever asked first leaves the others their answer."""
    scripted.hold()
    first = asyncio.create_task(provider.announces_issuer())
    await scripted.came.wait()
    second = asyncio.create_task(provider.announces_issuer())
    await asyncio.sleep(0)
    first.cancel()
    scripted.release()

    assert not await second
    assert 1 == scripted.count(DISCOVERY)


@pytest.mark.parametrize("change", ["/", "x", ".evil.example", ""])
async def test_metadata_of_another_issuer_is_refused(provider, scripted, change):
    """SR-34: the issuer is compared character by character."""
    scripted.describe(issuer=scripted.issuer + change if change else scripted.issuer.replace("127", "128"))

    with pytest.raises(ProviderUnavailable):
        await provider.announces_issuer()


@pytest.mark.parametrize("issuer", [None, 5, [], {}])
async def test_metadata_without_an_issuer_is_refused(provider, scripted, issuer):
    """SR-34: metadata that names no issuer is nobody's."""
    scripted.describe(issuer=issuer)

    with pytest.raises(ProviderUnavailable):
        await provider.announces_issuer()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url", [None, "", "/relative", "ftp://x/", "javascript:alert(1)", "http://", 5, "http://[", "http://a/#b"]
)
async def test_metadata_without_a_usable_endpoint_is_refused(provider, scripted, name, url):
    """An endpoint is an absolute URL."""
    scripted.describe(**{name: url})

    with pytest.raises(ProviderUnavailable):
        await provider.announces_issuer()


def test_https_issuer_with_an_http_endpoint_is_refused():
    """What came over TLS does not send secrets over a connection without it."""
    body = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), "https://id.example/x")
    body["issuer"] = "https://id.example"

    assert Metadata.of("https://id.example", body).token_endpoint == "https://id.example/x"
    with pytest.raises(ValueError, match="token_endpoint"):
        Metadata.of("https://id.example", {**body, "token_endpoint": "http://id.example/x"})


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_outage_does_not_trigger_the_keycloak_fallback(provider, scripted, reply):
    """Without metadata nothing is guessed, whatever the provider answers instead."""
    scripted.reply(DISCOVERY, reply)

    with pytest.raises(ProviderUnavailable):
        await provider.announces_issuer()

    assert {DISCOVERY} == {request.path for request in scripted.requests}


@pytest.mark.parametrize(("status", "is_wrong"), [(404, True), (403, True), (302, True), (429, False), (503, False)])
async def test_wrong_address_differs_from_an_outage(provider, scripted, status, is_wrong):
    """By the status, where there are no metadata: waiting helps only in an outage."""
    scripted.reply(DISCOVERY, Reply(status, {"error": "invalid"}))

    with pytest.raises(ProviderUnavailable) as raised:
        await provider.announces_issuer()

    assert is_wrong == isinstance(raised.value, ProviderMisconfigured)


async def test_a_provider_that_hangs_is_an_outage(make_provider, scripted):
    """Waiting ends with the limit."""
    scripted.reply(DISCOVERY, HANGS)

    with pytest.raises(ProviderUnavailable):
        await make_provider(limit_seconds=0.05).announces_issuer()


async def test_after_an_outage_the_next_call_succeeds(provider, scripted):
    """A failure is not remembered."""
    scripted.reply(DISCOVERY, Reply(503), Reply(200, scripted.metadata))
    with pytest.raises(ProviderUnavailable):
        await provider.announces_issuer()

    assert not await provider.announces_issuer()


async def test_keycloak_without_discovery_has_known_paths(make_provider, scripted, client):
    """A 404 means Keycloak's endpoints, below the issuer."""
    scripted.reply(DISCOVERY, Reply(404))
    scripted.reply("/protocol/openid-connect/token", Reply(200, {"access_token": "t"}))

    assert "t" == await make_provider(is_keycloak=True).grants.service_token(client)
    base = f"{scripted.issuer}/protocol/openid-connect"
    assert Metadata(
        scripted.issuer,
        *(f"{base}/{end}" for end in ("auth", "token", "certs", "userinfo", "logout", "revoke")),
    ) == Metadata.of_keycloak(scripted.issuer)


@pytest.mark.parametrize("has_url", [False, True])
async def test_404_of_another_provider_is_an_error(make_provider, scripted, caplog, has_url):
    """A mistyped issuer is no Keycloak; the address and the setting that it comes from are in the log."""
    scripted.reply(DISCOVERY, Reply(404))
    elsewhere = f"{scripted.issuer}/elsewhere"
    more = {"is_keycloak": True, "metadata_url": elsewhere} if has_url else {}
    address = f"{elsewhere} (from BODHI_AUTH_METADATA_URL)" if has_url else f"{DISCOVERY} (from BODHI_AUTH_ISSUER)"

    with pytest.raises(ProviderUnavailable, match="status 404"):
        await make_provider(**more).announces_issuer()

    assert address in caplog.text


async def test_metadata_come_from_another_address(make_provider, scripted):
    """An inner address, or a policy in the query; they still have to name the issuer."""
    outer = {"issuer": "https://login.example", "authorization_endpoint": "https://login.example/auth"}
    scripted.reply("/inner", Reply(200, {**scripted.metadata, **outer}))
    provider = make_provider(issuer="https://login.example", metadata_url=f"{scripted.issuer}/inner?p=policy")

    assert ["https://login.example/auth"] == (await provider.page_urls())[:1]

    assert {"p": "policy"} == scripted.requests[-1].query
    strict = make_provider(issuer="https://other.example", metadata_url=f"{scripted.issuer}/inner")
    with pytest.raises(ProviderUnavailable, match=r"https://login\.example, but BODHI_AUTH_ISSUER is https://other"):
        await strict.announces_issuer()


@pytest.mark.parametrize("url", ["http://login.example/auth", "http://10.0.0.1/auth", "HTTP://login.example/auth"])
async def test_browsers_are_not_sent_to_http_by_an_issuer_with_https(make_provider, scripted, caplog, url):
    """An inner address with http is for bodhi's own calls; users type passwords into the others."""
    outer = {"issuer": "https://login.example", "authorization_endpoint": "https://login.example/auth"}
    provider = make_provider(issuer="https://login.example", metadata_url=f"{scripted.issuer}/inner")
    scripted.reply("/inner", Reply(200, {**scripted.metadata, **outer, "authorization_endpoint": url}))
    with pytest.raises(ProviderUnavailable, match="no usable authorization_endpoint"):
        await provider.page_urls()

    scripted.reply("/inner", Reply(200, {**scripted.metadata, **outer, "end_session_endpoint": url}))
    assert ["https://login.example/auth"] == await provider.page_urls()


@pytest.mark.parametrize(
    ("found", "configured"),
    [
        ("https://login.example/", "https://login.example"),
        ("https://login.example", "https://login.example/"),
        ("https://login.example/tenant/", "https://login.example/tenant"),
    ],
)
def test_issuer_that_differs_by_its_slash_is_named_with_what_to_set(found, configured):
    """Both values, and the setting as it has to be."""
    with pytest.raises(ValueError, match="slash") as error:
        Metadata.of(configured, {"issuer": found})

    assert f"name the issuer {found}, but BODHI_AUTH_ISSUER is {configured}" in str(error.value)
    assert str(error.value).endswith(f"set BODHI_AUTH_ISSUER={found}")


@pytest.mark.parametrize("reply", [*UNUSABLE.values(), Reply(404)], ids=[*UNUSABLE.keys(), "not found"])
async def test_known_metadata_outlive_an_outage(provider, scripted, clock, reply):
    """Once known, metadata stay in use, also when discovery vanishes."""
    scripted.describe(end_session_endpoint="http://login.example/logout")
    before = await provider.end_session_url("bodhi", return_to="http://b/")
    scripted.reply(DISCOVERY, reply)
    clock.now += REFRESH_SECONDS + 1

    during = await provider.end_session_url("bodhi", return_to="http://b/")
    await settled(provider)
    after = await provider.end_session_url("bodhi", return_to="http://b/")

    assert before == during == after
    assert 2 <= scripted.count(DISCOVERY)


async def test_metadata_of_another_issuer_do_not_replace_the_known(provider, scripted, clock):
    """SR-34, later on: the provider cannot be swapped."""
    await provider.announces_issuer()
    scripted.describe(issuer="http://evil.example", authorization_response_iss_parameter_supported=True)
    clock.now += REFRESH_SECONDS + 1
    await provider.announces_issuer()
    await settled(provider)

    assert 2 == scripted.count(DISCOVERY)
    assert not await provider.announces_issuer()


async def test_metadata_are_refetched_after_the_interval(scripted, make_provider, clock):
    """After the refresh interval the provider's changes arrive, and nobody waited for them."""
    provider = make_provider()
    assert not await provider.announces_issuer()
    scripted.describe(authorization_response_iss_parameter_supported=True)
    clock.now += REFRESH_SECONDS + 1

    assert not await provider.announces_issuer()
    await settled(provider)
    assert await provider.announces_issuer()
    assert 2 == scripted.count(DISCOVERY)


async def test_discovery_that_appears_later_is_used(scripted, make_provider, clock):
    """A provider without it is asked again after the usual interval, not after the short one."""
    provider = make_provider(is_keycloak=True)
    scripted.reply(DISCOVERY, Reply(404))
    await provider.announces_issuer()
    for _ in range(2):
        clock.now += REFRESH_SECONDS
        await provider.announces_issuer()
        await settled(provider)
        clock.now += RETRY_SECONDS
        await provider.announces_issuer()
        await settled(provider)
    assert 3 == scripted.count(DISCOVERY)

    scripted.describe(authorization_response_iss_parameter_supported=True)
    clock.now += REFRESH_SECONDS
    await provider.announces_issuer()
    await settled(provider)

    assert await provider.announces_issuer()


async def test_failed_metadata_refresh_is_retried_after_a_pause(scripted, make_provider, clock):
    """A provider that is away is not asked at every call."""
    provider = make_provider()
    await provider.announces_issuer()
    scripted.reply(DISCOVERY, Reply(503))
    clock.now += REFRESH_SECONDS + 1
    for _ in range(10):
        await provider.announces_issuer()
        await settled(provider)
    assert 2 == scripted.count(DISCOVERY)

    clock.now += RETRY_SECONDS
    await provider.announces_issuer()
    await settled(provider)

    assert 3 == scripted.count(DISCOVERY)


@pytest.fixture
async def untrusted_issuer(tmp_path):
    """An issuer with a self-signed certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(write_certificate(tmp_path / "certificate.pem"))
    async with await asyncio.start_server(lambda *_: None, "localhost", 0, ssl=context) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("issuer", "cause"),
    [
        ("http://localhost:1", "cannot be reached: connection refused"),
        ("http://login.invalid", "cannot be reached: its host name cannot be resolved"),
        (None, "cannot be reached: its certificate is not trusted: self-signed certificate"),
    ],
)
async def test_connection_error_names_the_cause(http, untrusted_issuer, issuer, cause):
    """For the operator, who would have to find out otherwise."""
    transport = Transport(lambda: http, version="1", limit_seconds=60)

    with pytest.raises(ProviderUnavailable, match=cause):
        await Discovery(Issuer(issuer or untrusted_issuer), transport).metadata()


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(502, b"<html>"), "cannot be used: .*: status 502"),
        (Reply(200, b"<html>"), "cannot be used: .*: no JSON object"),
        (Reply(200, {"issuer": "https://other.example"}), "name the issuer https://other.example, but BODHI_AUTH_ISS"),
        (Reply(200, {}), "name no issuer; BODHI_AUTH_ISSUER is http"),
    ],
)
async def test_invalid_metadata_error_names_the_problem(provider, scripted, reply, cause):
    """Both values, where it is about the issuer."""
    scripted.reply(DISCOVERY, reply)

    with pytest.raises(ProviderUnavailable, match=cause):
        await provider.announces_issuer()
