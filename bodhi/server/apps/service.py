"""Applications that ask a person whether they may act for them: asked, reviewed, decided, withdrawn."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from aiohttp import web

from bodhi.database import Conflict, Database, Row
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderRefused
from bodhi.oidc.responses import ClientCredentials, Consent
from bodhi.server.access.errors import AlreadyDecided, ApiError, NotRegistered, ProviderCallNotSupported
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.sweeping import sweep_in_batches
from bodhi.server.apps.errors import (
    AppAccessRequestNotFound,
    AppNotRegistered,
    AppRequestExpired,
    AppRequestNotFound,
    InvalidFlowType,
    MissingRedirectUrl,
    TooManyDrafts,
)
from bodhi.server.apps.records import AppAccessRequest, as_json, asks_for_nothing, network_of, storable
from bodhi.server.apps.redirect_urls import redirect_url_with_id
from bodhi.server.http.paths import REVIEW_PATH

DRAFT_MS = 10 * 60_000
# How long an expired request is kept, so that an application that polls is told that it expired.
UNDECIDED_MS = 600_000
FLOW_TYPES = ("redirect", "popup")
WARN_EVERY_MS = 60_000

log = logging.getLogger(__name__)


class AppAccessRequests:
    """The requests of all applications in *database*.

    *withdrawn* is told the id of each approval that ends, so that the exchanged tokens of it are forgotten. *is_empty*
    says of what was requested whether it needs nobody's approval. A source may have *per_source* requests that wait
    for a decision, and *per_client* of them for one application; a network of sources may have *per_network*, and all
    together *in_all*, so that a few networks cannot use up what there is for everybody. Who decides has *hold_seconds*
    for it, more than the provider takes; nobody else decides meanwhile.
    """

    def __init__(
        self,
        database: Database,
        provider: IdentityProvider,
        instances: InstanceService,
        *,
        public_url: str,
        withdrawn: Callable[[str], object] = lambda _: None,
        is_empty: Callable[[Any], bool] = asks_for_nothing,
        per_client: int = 10,
        per_source: int = 50,
        per_network: int = 250,
        in_all: int = 5_000,
        hold_seconds: float = 60.0,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._database = database
        self._people = Profiles(database)
        self._provider = provider
        self._instances = instances
        self._public_url = public_url
        self._withdrawn = withdrawn
        self._is_empty = is_empty
        self._per_client = per_client
        self._per_source = per_source
        self._per_network = per_network
        self._in_all = in_all
        self._warned_at: int | None = None
        self._claim_ms = round(hold_seconds * 1000)
        self._clock = clock

    def review_url(self, request: AppAccessRequest) -> str:
        """The page on which a person decides."""
        return f"{self._public_url}{REVIEW_PATH}?id={request.id}"

    async def create(
        self, app_client_id: str, *, flow_type: str, redirect_url: str | None, requested: Any, source: str
    ) -> AppAccessRequest:
        """A draft that waits for a person; where nothing is requested, an approval that the provider knows of already.

        *source* is whom waiting requests are counted by. Refused: ``app_access_request_error-invalid_flow_type``,
        ``-missing_redirect_url``, ``-invalid_redirect_url``, ``access_request_error-too_many_drafts``,
        ``-kc_registration_failed``.
        """
        if flow_type not in FLOW_TYPES:
            raise InvalidFlowType
        if flow_type == "redirect" and not redirect_url:
            raise MissingRedirectUrl
        request_id = str(uuid4())
        requested_json = as_json(requested)
        needs_nobody = self._is_empty(requested)
        draft = await self._store(
            id=request_id,
            app_client_id=app_client_id,
            flow_type=flow_type,
            redirect_uri=redirect_url_with_id(redirect_url, request_id) if redirect_url else None,
            requested=requested_json,
            source=source,
            claim_ms=self._claim_ms if needs_nobody else None,
        )
        return await self._register(draft) if needs_nobody else draft

    async def _store(self, *, source: str, app_client_id: str, **values: object) -> AppAccessRequest:
        now = self._clock()
        counted_by = {"source": source, "network": network_of(source), "app_client_id": app_client_id}
        async with (
            # By source first: however much one source sends, one request of it competes with those of others.
            self._database.turn(("source", source), "app access requests") as left_seconds,
            self._database.transaction(limit_seconds=left_seconds) as transaction,
        ):
            await transaction.maybe("lock_app_access_requests")
            self._check_limits(await transaction.maybe("count_open_app_access_requests", **counted_by, now=now))
            row = await transaction.maybe(
                "create_app_access_request", **counted_by, **values, draft_ms=DRAFT_MS, now=now
            )
        assert row is not None  # a RETURNING clause answers or the statement fails
        return AppAccessRequest.of(row)

    def _check_limits(self, waiting: Row | None) -> None:
        assert waiting is not None  # a count answers
        if waiting["of_all"] >= self._in_all:
            self._warn_that_all_is_used(waiting["now"])
        elif (
            waiting["of_client"] < self._per_client
            and waiting["of_source"] < self._per_source
            and waiting["of_network"] < self._per_network
        ):
            return
        raise TooManyDrafts

    def _warn_that_all_is_used(self, now: int) -> None:
        if self._warned_at is not None and now - self._warned_at < WARN_EVERY_MS:
            return
        self._warned_at = now
        log.warning("app access requests refused reason=too_many_open limit=%d", self._in_all)

    async def _register(self, draft: AppAccessRequest) -> AppAccessRequest:
        try:
            scope = await self._provider.register_app_access(
                await self._credentials(), app_client_id=draft.app_client_id
            )
        except ProviderError as error:
            await self._finish(draft, "failed", error_message=str(error))
            raise _told(error) from error
        return await self._finish(draft, "approved", resource_scope=scope)

    async def _credentials(self) -> ClientCredentials:
        instance = await self._instances.current()
        if instance is None:
            raise NotRegistered
        return instance.credentials

    async def poll(self, request_id: str, app_client_id: str) -> AppAccessRequest:
        """The application's own request; ``app_access_request_error-not_found``, ``access_request_error-expired``."""
        row = await self._find(request_id)
        if row is None or row["app_client_id"] != app_client_id:
            raise AppAccessRequestNotFound
        return _unexpired(row)

    async def review(self, request_id: str, token: str) -> AppAccessRequest:
        """The request as a person sees it, with the application's name if the provider tells it to *token*.

        Refused as in :meth:`poll`.
        """
        row = await self._find(request_id)
        if row is None:
            raise AppAccessRequestNotFound
        request = _unexpired(row)
        if request.app_name is not None:
            return request
        try:
            info = await self._provider.app_info(token, request.app_client_id)
        except ProviderError as error:
            log.warning("the identity provider does not tell the name of an application: %s", error)
            return request
        named = replace(request, app_name=storable(info.name), app_description=storable(info.description))
        await self._database.count(
            "name_app", id=named.id, app_name=named.app_name, app_description=named.app_description
        )
        return named

    async def approve(self, request_id: str, approved: Any, user: SessionUser) -> AppAccessRequest:
        """The request after *user* approved it; its status is ``failed`` where the provider knew its id already.

        It is ``withdrawn`` where the user was removed meanwhile.

        Refused: ``access_request_error-not_found``, ``-expired``, ``-already_processed``; ``-kc_registration_failed``,
        after which the request is a draft as before.
        """
        approved_json = as_json(approved)
        row = await self._database.maybe(
            "claim_app_access_request", id=request_id, claim_ms=self._claim_ms, now=self._clock()
        )
        if row is None:
            raise await self._why_not(request_id)
        draft = AppAccessRequest.of(row)
        try:
            consent = await self._consent(draft, user.token)
        except ProviderError as error:
            if _is_collision(error):
                return await self._finish(draft, "failed", user_id=user.user_id, error_message=str(error))
            await self._release(draft)
            raise _told(error) from error
        approval = await self._approved(draft, approved_json, user.user_id, consent)
        return await self._unless_removed(approval, user.user_id)

    async def _unless_removed(self, approval: AppAccessRequest, user_id: str) -> AppAccessRequest:
        # A removal is noted before it looks for approvals: one that missed this approval is seen here.
        person = await self._people.find(user_id)
        if person is None or not person.is_removed:
            return approval
        await self.withdraw_all_of(user_id)
        return replace(approval, status="withdrawn")

    async def _consent(self, draft: AppAccessRequest, token: str) -> Consent:
        consent = await self._provider.consent(
            token,
            app_client_id=draft.app_client_id,
            access_request_id=draft.id,
            description=f"{draft.app_name or draft.app_client_id} may use {self._public_url}",
        )
        if consent.access_request_id != draft.id:
            raise ProviderError("the identity provider noted the consent under another id")
        return consent

    async def _approved(
        self, draft: AppAccessRequest, approved: str, user_id: str, consent: Consent
    ) -> AppAccessRequest:
        try:
            return await self._finish(
                draft,
                "approved",
                approved=approved,
                user_id=user_id,
                resource_scope=consent.scope,
                access_request_scope=consent.access_request_scope,
            )
        except Conflict:
            reason = "the identity provider gave the scope of another request"
            return await self._finish(draft, "failed", user_id=user_id, error_message=reason)

    async def deny(self, request_id: str, user_id: str) -> AppAccessRequest:
        """The request after the user denied it; refused as in :meth:`approve`."""
        row = await self._database.maybe("deny_app_access_request", id=request_id, user_id=user_id, now=self._clock())
        if row is None:
            raise await self._why_not(request_id)
        return AppAccessRequest.of(row)

    async def withdraw(self, request_id: str, user_id: str) -> None:
        """End what the user approved.

        ``access_request_error-not_found`` for what another user decided, ``-already_processed`` where there is no
        approval (any more).
        """
        row = await self._database.maybe(
            "withdraw_app_access_request", id=request_id, user_id=user_id, now=self._clock()
        )
        if row is not None:
            self._withdrawn(row["id"])
            return
        found = await self._find(request_id)
        own = found is not None and found["user_id"] == user_id
        raise AlreadyDecided if own else AppRequestNotFound

    async def sweep(self) -> int:
        """Delete the requests that nobody decided; how many."""
        return await sweep_in_batches(
            self._database, "sweep_app_access_requests", keep_ms=UNDECIDED_MS, now=self._clock()
        )

    async def withdraw_all_of(self, user_id: str) -> int:
        """End all that a user approved; how many approvals that was."""
        rows = await self._database.many("withdraw_app_access_requests_of", user_id=user_id, now=self._clock())
        for row in rows:
            self._withdrawn(row["id"])
        return len(rows)

    async def list_of(self, user_id: str, *, size: int, skip: int = 0) -> tuple[Sequence[AppAccessRequest], int]:
        """At most *size* of the user's approvals, newest first, after *skip* others; and how many there are in all."""
        rows = await self._database.many("list_app_access_requests", user_id=user_id, size=size, skip=skip)
        total = await self._database.maybe("count_app_access_requests", user_id=user_id)
        return [AppAccessRequest.of(row) for row in rows], total["requests"] if total else 0

    async def by_id(self, request_id: str) -> AppAccessRequest | None:
        """The request with this id, whatever its status."""
        row = await self._find(request_id)
        return AppAccessRequest.of(row) if row else None

    async def by_scope(self, access_request_scope: str) -> AppAccessRequest | None:
        """The request that was approved with this scope, whatever its status is now."""
        row = await self._database.maybe(
            "find_app_access_request_by_scope", access_request_scope=access_request_scope, now=self._clock()
        )
        return AppAccessRequest.of(row) if row else None

    async def _find(self, request_id: str) -> Row | None:
        return await self._database.maybe("find_app_access_request", id=request_id, now=self._clock())

    async def _finish(self, draft: AppAccessRequest, status: str, **found: str) -> AppAccessRequest:
        row = await self._database.maybe(
            "finish_app_access_request",
            **{**_NOTHING_FOUND, **found},
            id=draft.id,
            claimed_until=draft.claimed_until,
            status=status,
            now=self._clock(),
        )
        if row is None:  # it took longer than the claim, and somebody else came
            raise await self._why_not(draft.id)
        return AppAccessRequest.of(row)

    async def _release(self, draft: AppAccessRequest) -> None:
        await self._database.count("release_app_access_request", id=draft.id, claimed_until=draft.claimed_until)

    async def _why_not(self, request_id: str) -> ApiError:
        """Why a draft that was to be decided was not."""
        row = await self._find(request_id)
        if row is None:
            return AppRequestNotFound()
        if _is_expired(row):
            return AppRequestExpired()
        return AlreadyDecided()


_NOTHING_FOUND = dict.fromkeys(("approved", "user_id", "resource_scope", "access_request_scope", "error_message"))


def _unexpired(row: Row) -> AppAccessRequest:
    if _is_expired(row):
        raise AppRequestExpired
    return AppAccessRequest.of(row)


def _is_expired(row: Row) -> bool:
    return bool(row["status"] == "draft" and row["expires_at"] <= row["now"])


def _is_collision(error: ProviderError) -> bool:
    """Whether the provider has a consent under this id already."""
    return isinstance(error, ProviderRefused) and error.status == 409


def _told(error: ProviderError) -> ApiError:
    log.warning("an app access request was not registered: %s", error)
    if isinstance(error, ProviderLacks):
        return ProviderCallNotSupported()
    return AppNotRegistered()


APP_ACCESS_REQUESTS = web.AppKey("APP_ACCESS_REQUESTS", AppAccessRequests)
