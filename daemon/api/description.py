"""What the HTTP API says of itself: the OpenAPI document, and a page that shows it. Neither needs
anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from ponderd.daemon.api.approval_page import CSS, HEADERS, page_template

_ERROR = {"$ref": "#/components/schemas/Error"}
_METHODS = ("get", "post", "put", "delete")
_WITHOUT_TOKEN = ("/webhooks/", "/slack/", "/healthz", "/readyz", "/metrics")

_ALWAYS = {
    400: "Not HTTP, not JSON, or it cannot be stored.",
    403: "Not allowed to do this.",
    404: "There is no such run, approval, agent, schedule or source.",
    431: "The header is larger than 32 KiB.",
    501: "A Transfer-Encoding that is not chunked.",
    503: "The state server is away, or too much is being sent: send it again.",
}
_TOKEN = {401: "No or a wrong token or signature."}
_BODY = {
    408: "The body did not come in time.",
    409: "Over, decided by somebody else, or a key that came with another request.",
    413: "The body is larger than 1 MiB.",
    415: "A type or encoding of body that is not read.",
    429: "More than is taken from one sender.",
}
_FIELDS = {422: "A field is wrong."}

_page = page_template("docs.html")


def describe_api(app: FastAPI) -> None:
    """Let `app` serve its description at /openapi.json and /docs."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi_of(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        document = described()
        operations = list(_operations(document))
        return HTMLResponse(
            _page.render(css=CSS, info=document["info"], operations=operations), headers=HEADERS
        )

    app.include_router(router)


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: each operation with all statuses that it may answer, the form of an
    error, and what proves who asks."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for ours in ("HTTPValidationError", "ValidationError"):
        schemas.pop(ours, None)
    schemas["Error"] = {
        "type": "object",
        "properties": {"error": {"type": "string", "description": "one line"}},
        "required": ["error"],
        "additionalProperties": False,
    }
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "PONDERD_API_TOKEN",
        }
    }
    for path, method, operation in _operations(document):
        needs_token = not path.startswith(_WITHOUT_TOKEN)
        operation["security"] = [{"token": []}] if needs_token else []
        statuses = dict(_ALWAYS)
        if needs_token or path.startswith(("/webhooks/", "/slack/")):
            statuses |= _TOKEN
        if method != "get":
            statuses |= _BODY
        if "parameters" in operation or "requestBody" in operation:
            statuses |= _FIELDS
        operation["responses"].pop("422", None)
        for status, meaning in statuses.items():
            content = {"application/json": {"schema": _ERROR}}
            answer = {"description": meaning, "content": content}
            operation["responses"].setdefault(str(status), answer)
        operation["responses"] = dict(sorted(operation["responses"].items()))
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]
