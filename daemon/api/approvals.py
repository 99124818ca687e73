"""Approvals over HTTP: JSON for holders of the API token, a page for holders of a signed link.

Both use the same paths. A request with a `mark` in its query comes from a link. GET only shows the
approval and POST decides it, because mail and chat programs open links by themselves to scan them.
"""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from pydantic import Field, SecretStr
from starlette.routing import Match
from starlette.types import ASGIApp, Scope

from ponderd.channels.errors import (
    Conflict,
    Malformed,
    Refused,
    Unauthenticated,
    Unavailable,
    kind_of,
)
from ponderd.channels.links import check_link
from ponderd.channels.message import principal
from ponderd.channels.text import plain_name
from ponderd.daemon.api.approval_page import approval_page, pretty
from ponderd.daemon.api.http import Check, is_from_link
from ponderd.daemon.api.queries import while_wanted
from ponderd.daemon.api.runs import Body
from ponderd.daemon.refusals import note_refused_request
from ponderd.workers.control.inquiries import MOST_LISTED, Inquiries
from ponderd.workers.control.views import ApprovalView, OpenApprovals


class DecideBody(Body):
    approve: bool
    by: str = Field("api", min_length=1, max_length=200)
    remark: str = Field("", max_length=2000)
    arguments: dict[str, Any] | None = Field(
        None, description="arguments to call the tool with instead; they are checked again"
    )
    digest: str | None = Field(
        None, description="digest of the call that was looked at; no other call is approved"
    )


def approval_routes(inquiries: Inquiries) -> APIRouter:
    router = APIRouter(prefix="/approvals", tags=["approvals"])

    @router.get("", response_model=OpenApprovals)
    async def list_approvals(
        request: Request,
        run_id: Annotated[str | None, Query(max_length=200, description="only of this run")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Response:
        """Open approvals, oldest first. Pass the `cursor` of a page to get the next one, until it
        is null: a page may be short although others follow."""
        if run_id is None:
            found = inquiries.open(limit=limit, cursor=cursor)
        else:
            found = inquiries.open_of(run_id)
        return Response(await while_wanted(request, found), media_type="application/json")

    @router.get("/{approval_id}")
    async def show(approval_id: str) -> ApprovalView:
        return await inquiries.show(approval_id)

    @router.post("/{approval_id}")
    async def decide(approval_id: str, body: DecideBody) -> ApprovalView:
        """Approve or deny. The first answer counts. A repeat of it changes nothing; a different
        answer gets a 409 that says who decided."""
        return await inquiries.decide(
            approval_id,
            approve=body.approve,
            by=principal("api", plain_name(body.by)),
            remark=body.remark,
            arguments=body.arguments,
            digest=body.digest,
        )

    return router


FIELDS = 20
"""Most fields of a form that is read. The page has four."""


class _LinkRoute(APIRoute):
    """Matches only requests from a signed link."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if is_from_link(scope) else (Match.NONE, {})


def mark_first(secret: SecretStr | None) -> Check:
    """A check for `BodyLimit`: nothing of a form is read for whoever lacks the mark of a link."""

    def check(request: Request) -> ASGIApp | None:
        if request.method != "POST" or not is_from_link(request.scope):
            return None
        try:
            _check(secret, request.scope["path"].removeprefix("/approvals/"), request)
        except Refused as error:
            note_refused_request(request, kind_of(error), str(error))
            person = request.query_params.get("as", "")
            page = approval_page(None, person, status=error.http_status, problem=str(error))
            page.headers["connection"] = "close"
            return page
        return None

    return check


def approval_page_routes(inquiries: Inquiries, secret: SecretStr | None) -> APIRouter:
    """The routes behind signed links. They need no token: the mark proves who was sent the link.

    Include them before `approval_routes`, which has the same paths and would match first.
    """
    router = APIRouter(prefix="/approvals", route_class=_LinkRoute, include_in_schema=False)

    @router.get("/{approval_id}")
    async def show(approval_id: str, request: Request) -> HTMLResponse:
        person = request.query_params.get("as", "")
        try:
            _check(secret, approval_id, request)
            return approval_page(await inquiries.show(approval_id), person)
        except (Refused, Unavailable) as error:
            note_refused_request(request, kind_of(error), str(error))
            return approval_page(None, person, status=error.http_status, problem=str(error))

    @router.post("/{approval_id}")
    async def decide(approval_id: str, request: Request) -> HTMLResponse:
        person = request.query_params.get("as", "")
        approval, form = None, _Form(b"")
        try:
            # The mark first: whoever has none makes us read nothing.
            _check(secret, approval_id, request)
            form = _Form(await request.body())
            approval = await inquiries.show(approval_id)
            decided = await inquiries.decide(
                approval_id,
                approve=form.approve,
                by=person,
                remark=form.remark,
                arguments=form.changed(approval) if form.approve else None,
                digest=form.digest,
            )
            return approval_page(decided, person)
        except Conflict as error:
            note_refused_request(request, kind_of(error), str(error))
            approval = await inquiries.show(approval_id)
            return approval_page(approval, person, status=409, problem=str(error))
        except (Refused, Unavailable) as error:
            note_refused_request(request, kind_of(error), str(error))
            return approval_page(
                approval,
                person,
                status=error.http_status,
                problem=str(error),
                arguments=form.arguments,
                remark=form.remark,
            )

    return router


class _Form:
    """The fields that the page posted. Reading an invalid one raises `Malformed`."""

    def __init__(self, body: bytes) -> None:
        text = body.decode("utf-8", "replace")
        try:
            fields = parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS)
        except ValueError:
            raise Malformed(f"a form of more than {FIELDS} fields is not one of ours") from None
        given = {name: values[-1] for name, values in fields.items()}
        self._decision = given.get("decision")
        self.arguments = given.get("arguments")
        self.remark = given.get("remark", "").strip()[:2000]
        self.digest = given.get("digest")

    @property
    def approve(self) -> bool:
        if self._decision not in ("approve", "deny"):
            raise Malformed("press Approve or Deny")
        return self._decision == "approve"

    def changed(self, approval: ApprovalView) -> dict[str, Any] | None:
        """The arguments, if somebody edited them on the page. Otherwise None."""
        if self.arguments is None or not approval.tool:
            return None
        try:
            arguments = json.loads(self.arguments)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"the arguments are not JSON: {error}") from None
        if not isinstance(arguments, dict):
            raise Malformed("the arguments must be one JSON object: { … }")
        return None if arguments == json.loads(pretty(approval)) else arguments


def _check(secret: SecretStr | None, approval_id: str, request: Request) -> None:
    if secret is None:
        raise Unauthenticated("approval links are off: set PONDERD_SIGNING_SECRET")
    query = request.query_params
    key = secret.get_secret_value().encode()
    check_link(key, approval_id, query.get("as", ""), query.get("mark", ""))
