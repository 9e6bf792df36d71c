"""App access requests: created by applications; reviewed, decided and withdrawn by users."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from aiohttp import web

from bodhi.database import Conflict, Database, Row
from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderRefused
from bodhi.oidc.management import Management
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
from bodhi.server.apps.records import AppAccessRequest, encode_json, is_empty_request, network_of, storable
from bodhi.server.apps.redirect_urls import redirect_url_with_id
from bodhi.server.http.paths import REVIEW_PATH

DRAFT_MS = 10 * 60_000
# Expired requests are kept this long, so that a polling application learns that its request expired.
UNDECIDED_MS = 600_000
FLOW_TYPES = ("redirect", "popup")
WARN_EVERY_MS = 60_000

log = logging.getLogger(__name__)


class AppAccessRequests:
    """Manages the app access requests stored in *database*.

    *on_withdrawal* is called with the id of each withdrawn approval, to drop its cached token exchanges. *is_empty*
    returns whether a request needs no approval. Undecided requests are limited: *per_source*, *per_client* of them
    for one application, *per_network*, and *max_open* in total, so that a few networks cannot exhaust the total.
    A decision locks the request for *hold_seconds*, longer than the provider's timeout.
    """

    def __init__(
        self,
        database: Database,
        management: Management,
        instances: InstanceService,
        *,
        public_url: str,
        on_withdrawal: Callable[[str], object] = lambda _: None,
        is_empty: Callable[[Any], bool] = is_empty_request,
        per_client: int = 10,
        per_source: int = 50,
        per_network: int = 250,
        max_open: int = 5_000,
        hold_seconds: float = 60.0,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._database = database
        self._profiles = Profiles(database)
        self._management = management
        self._instances = instances
        self._public_url = public_url
        self._on_withdrawal = on_withdrawal
        self._is_empty = is_empty
        self._per_client = per_client
        self._per_source = per_source
        self._per_network = per_network
        self._max_open = max_open
        self._warned_at: int | None = None
        self._claim_ms = round(hold_seconds * 1000)
        self._clock = clock

    def review_url(self, request: AppAccessRequest) -> str:
        """Return the URL of the consent page."""
        return f"{self._public_url}{REVIEW_PATH}?id={request.id}"

    async def create(
        self, app_client_id: str, *, flow_type: str, redirect_url: str | None, requested: Any, source: str
    ) -> AppAccessRequest:
        """Return a draft that awaits a decision; if nothing is requested, an approval registered with the provider.

        *source* is the key that limits open requests. Raises ``app_access_request_error-invalid_flow_type``,
        ``-missing_redirect_url``, ``-invalid_redirect_url``, ``access_request_error-too_many_drafts``,
        ``-kc_registration_failed``.
        """
        if flow_type not in FLOW_TYPES:
            raise InvalidFlowType
        if flow_type == "redirect" and not redirect_url:
            raise MissingRedirectUrl
        request_id = str(uuid4())
        requested_json = encode_json(requested)
        needs_no_approval = self._is_empty(requested)
        draft = await self._store(
            id=request_id,
            app_client_id=app_client_id,
            flow_type=flow_type,
            redirect_uri=redirect_url_with_id(redirect_url, request_id) if redirect_url else None,
            requested=requested_json,
            source=source,
            claim_ms=self._claim_ms if needs_no_approval else None,
        )
        return await self._register(draft) if needs_no_approval else draft

    async def _store(self, *, source: str, app_client_id: str, **values: object) -> AppAccessRequest:
        now = self._clock()
        counted_by = {"source": source, "network": network_of(source), "app_client_id": app_client_id}
        async with (
            # Queue by source first, so that a busy source has one request at a time in the database.
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
        if waiting["of_all"] >= self._max_open:
            self._warn_limit_reached(waiting["now"])
        elif (
            waiting["of_client"] < self._per_client
            and waiting["of_source"] < self._per_source
            and waiting["of_network"] < self._per_network
        ):
            return
        raise TooManyDrafts

    def _warn_limit_reached(self, now: int) -> None:
        if self._warned_at is not None and now - self._warned_at < WARN_EVERY_MS:
            return
        self._warned_at = now
        log.warning("app access requests refused reason=too_many_open limit=%d", self._max_open)

    async def _register(self, draft: AppAccessRequest) -> AppAccessRequest:
        try:
            scope = await self._management.register_app_access(
                await self._credentials(), app_client_id=draft.app_client_id
            )
        except ProviderError as error:
            await self._finish(draft, "failed", error_message=str(error))
            raise _registration_failed(error) from error
        return await self._finish(draft, "approved", resource_scope=scope)

    async def _credentials(self) -> ClientCredentials:
        instance = await self._instances.current()
        if instance is None:
            raise NotRegistered
        return instance.credentials

    async def poll(self, request_id: str, app_client_id: str) -> AppAccessRequest:
        """Return the application's own request.

        Raises ``app_access_request_error-not_found`` or ``access_request_error-expired``.
        """
        row = await self._find(request_id)
        if row is None or row["app_client_id"] != app_client_id:
            raise AppAccessRequestNotFound
        return _unexpired(row)

    async def review(self, request_id: str, token: str) -> AppAccessRequest:
        """Return the request with the application's name, which the provider returns to the user's access *token*.

        Raises the errors of :meth:`poll`.
        """
        row = await self._find(request_id)
        if row is None:
            raise AppAccessRequestNotFound
        request = _unexpired(row)
        if request.app_name is not None:
            return request
        try:
            info = await self._management.app_info(token, request.app_client_id)
        except ProviderError as error:
            log.warning("app name lookup failed app_client_id=%s error=%s", request.app_client_id, error)
            return request
        named = replace(request, app_name=storable(info.name), app_description=storable(info.description))
        await self._database.count(
            "name_app", id=named.id, app_name=named.app_name, app_description=named.app_description
        )
        return named

    async def approve(self, request_id: str, approved: Any, user: SessionUser) -> AppAccessRequest:
        """Approve the request for *user* and return it.

        Its status is ``failed`` if the provider already has a consent under its id, and ``withdrawn`` if the user was
        removed meanwhile. Raises ``access_request_error-not_found``, ``-expired``, ``-already_processed``; or
        ``-kc_registration_failed``, which leaves the request a draft.
        """
        approved_json = encode_json(approved)
        row = await self._database.maybe(
            "claim_app_access_request", id=request_id, claim_ms=self._claim_ms, now=self._clock()
        )
        if row is None:
            raise await self._undecidable(request_id)
        draft = AppAccessRequest.of(row)
        try:
            consent = await self._consent(draft, user.token)
        except ProviderError as error:
            if _is_collision(error):
                return await self._finish(draft, "failed", user_id=user.user_id, error_message=str(error))
            await self._release(draft)
            raise _registration_failed(error) from error
        approval = await self._finish_approved(draft, approved_json, user.user_id, consent)
        return await self._unless_removed(approval, user.user_id)

    async def _unless_removed(self, approval: AppAccessRequest, user_id: str) -> AppAccessRequest:
        # A removal marks the profile before it withdraws approvals: if it missed this one, the mark is visible here.
        profile = await self._profiles.find(user_id)
        if profile is None or not profile.is_removed:
            return approval
        await self.withdraw_all_of(user_id)
        return replace(approval, status="withdrawn")

    async def _consent(self, draft: AppAccessRequest, token: str) -> Consent:
        consent = await self._management.consent(
            token,
            app_client_id=draft.app_client_id,
            access_request_id=draft.id,
            description=f"{draft.app_name or draft.app_client_id} may use {self._public_url}",
        )
        if consent.access_request_id != draft.id:
            raise ProviderError("the identity provider returned a consent with another request id")
        return consent

    async def _finish_approved(
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
            reason = "the identity provider returned the scope of another request"
            return await self._finish(draft, "failed", user_id=user_id, error_message=reason)

    async def deny(self, request_id: str, user_id: str) -> AppAccessRequest:
        """Deny the request and return it. Raises the errors of :meth:`approve`."""
        row = await self._database.maybe("deny_app_access_request", id=request_id, user_id=user_id, now=self._clock())
        if row is None:
            raise await self._undecidable(request_id)
        return AppAccessRequest.of(row)

    async def withdraw(self, request_id: str, user_id: str) -> None:
        """Withdraw the user's approval.

        Raises ``access_request_error-not_found`` if another user decided the request, ``-already_processed`` if it is
        not approved.
        """
        row = await self._database.maybe(
            "withdraw_app_access_request", id=request_id, user_id=user_id, now=self._clock()
        )
        if row is not None:
            self._on_withdrawal(row["id"])
            return
        existing = await self._find(request_id)
        is_own = existing is not None and existing["user_id"] == user_id
        raise AlreadyDecided if is_own else AppRequestNotFound

    async def sweep(self) -> int:
        """Delete requests that expired undecided; return how many."""
        return await sweep_in_batches(
            self._database, "sweep_app_access_requests", keep_ms=UNDECIDED_MS, now=self._clock()
        )

    async def withdraw_all_of(self, user_id: str) -> int:
        """Withdraw all approvals of a user; return how many."""
        rows = await self._database.many("withdraw_app_access_requests_of", user_id=user_id, now=self._clock())
        for row in rows:
            self._on_withdrawal(row["id"])
        return len(rows)

    async def list_of(self, user_id: str, *, size: int, skip: int = 0) -> tuple[Sequence[AppAccessRequest], int]:
        """Return at most *size* approvals of the user, newest first, after skipping *skip*; and the total."""
        rows = await self._database.many("list_app_access_requests", user_id=user_id, size=size, skip=skip)
        total = await self._database.maybe("count_app_access_requests", user_id=user_id)
        return [AppAccessRequest.of(row) for row in rows], total["requests"] if total else 0

    async def by_id(self, request_id: str) -> AppAccessRequest | None:
        """Return the request with this id in any status, or None."""
        row = await self._find(request_id)
        return AppAccessRequest.of(row) if row else None

    async def by_scope(self, access_request_scope: str) -> AppAccessRequest | None:
        """Return the request that was approved with this scope, in any status, or None."""
        row = await self._database.maybe(
            "find_app_access_request_by_scope", access_request_scope=access_request_scope, now=self._clock()
        )
        return AppAccessRequest.of(row) if row else None

    async def _find(self, request_id: str) -> Row | None:
        return await self._database.maybe("find_app_access_request", id=request_id, now=self._clock())

    async def _finish(self, draft: AppAccessRequest, status: str, **outcome: str) -> AppAccessRequest:
        row = await self._database.maybe(
            "finish_app_access_request",
            **{**_NO_OUTCOME, **outcome},
            id=draft.id,
            claimed_until=draft.claimed_until,
            status=status,
            now=self._clock(),
        )
        if row is None:  # the claim expired, and another process decided
            raise await self._undecidable(draft.id)
        return AppAccessRequest.of(row)

    async def _release(self, draft: AppAccessRequest) -> None:
        await self._database.count("release_app_access_request", id=draft.id, claimed_until=draft.claimed_until)

    async def _undecidable(self, request_id: str) -> ApiError:
        """Return the reason why a request could not be decided."""
        row = await self._find(request_id)
        if row is None:
            return AppRequestNotFound()
        if _is_expired(row):
            return AppRequestExpired()
        return AlreadyDecided()


_NO_OUTCOME = dict.fromkeys(("approved", "user_id", "resource_scope", "access_request_scope", "error_message"))


def _unexpired(row: Row) -> AppAccessRequest:
    if _is_expired(row):
        raise AppRequestExpired
    return AppAccessRequest.of(row)


def _is_expired(row: Row) -> bool:
    return bool(row["status"] == "draft" and row["expires_at"] <= row["now"])


def _is_collision(error: ProviderError) -> bool:
    """Return whether the provider already has a consent under this id."""
    return isinstance(error, ProviderRefused) and error.status == 409


def _registration_failed(error: ProviderError) -> ApiError:
    log.warning("app access registration failed error=%s", error)
    if isinstance(error, ProviderLacks):
        return ProviderCallNotSupported()
    return AppNotRegistered()


APP_ACCESS_REQUESTS = web.AppKey("APP_ACCESS_REQUESTS", AppAccessRequests)
