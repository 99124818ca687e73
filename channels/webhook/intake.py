"""Take deliveries that are proven: fill in the templates of their route, make triggers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

import structlog

from ponderd.channels.message import Ignored, Trigger
from ponderd.channels.webhook.body import Body
from ponderd.channels.webhook.callback import check_callback
from ponderd.channels.webhook.receive import parse
from ponderd.channels.webhook.rendering import Renderer
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.channels.webhook.template import is_template

log = structlog.get_logger(__name__)


class Intake:
    """What becomes of deliveries. `callback_allow` are hosts that may be called back although they
    are not public."""

    def __init__(self, renderer: Renderer, callback_allow: tuple[str, ...]) -> None:
        self._renderer = renderer
        self._allow = callback_allow

    async def read(
        self,
        source: str,
        route: WebhookRoute,
        headers: Mapping[str, str],
        query: Iterable[tuple[str, str]],
        bodies: Iterable[Body],
    ) -> list[Trigger | Ignored]:
        """What becomes of a request that is proven; a batch has several bodies. Raises Malformed,
        Forbidden, and Unavailable if too many wait.

        Names of headers are in lower case, or their case is ignored.
        """
        shown = route.shown_query(query)
        return [await self._read(source, route, headers, shown, body) for body in bodies]

    async def _read(
        self,
        source: str,
        route: WebhookRoute,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        body: Body,
    ) -> Trigger | Ignored:
        templates, rendered = route.templates(), {}
        if templates:
            shown = route.shown_headers(headers)
            rendered = await self._renderer.render(templates, body.payload, shown, query)
        for field, one in rendered.items():
            for problem in one.problems:
                log.warning("template failed in part", source=source, field=field, problem=problem)
        found = parse(
            source,
            route,
            headers,
            body,
            rendered,
            new_id=lambda: secrets.token_hex(8),
            callback_allow=self._allow,
        )
        if isinstance(found, Trigger) and found.reply_to and found.reply_to.channel == "webhook":
            literal = route.answer is not None and not is_template(route.answer)
            if not literal:  # an operator may name a host that is away now
                await check_callback(found.reply_to.to, self._allow)
        return found
