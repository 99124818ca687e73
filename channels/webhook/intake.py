"""Take deliveries that are proven: fill in the templates of their route, make triggers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from ponderd.channels.attachments import keep
from ponderd.channels.blobs import Blobs, owner_of
from ponderd.channels.documents import File
from ponderd.channels.files import FileReader
from ponderd.channels.message import Ignored, Trigger
from ponderd.channels.sms.receive import as_sms, read_sms
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

    def __init__(self, blobs: Blobs, callback_allow: tuple[str, ...]) -> None:
        self._renderer = Renderer()
        self._files = FileReader()
        self._blobs = blobs
        self._allow = callback_allow

    async def start(self) -> None:
        """Have a process ready for the first template. Raises Unavailable if none can be
        started."""
        await self._renderer.start()

    async def close(self) -> None:
        """End all processes."""
        await self._renderer.close()
        await self._files.close()

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
        sms = read_sms(body.payload) if route.is_sms else None
        if isinstance(sms, Ignored):
            return sms
        if sms:
            body = replace(body, text=sms.text, id=sms.sid)
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
        if sms and isinstance(found, Trigger):
            own = {"conversation": route.conversation is not None, "text": route.text is not None}
            found = as_sms(found, sms, **own)
        if isinstance(found, Trigger) and found.reply_to and found.reply_to.channel == "webhook":
            literal = route.answer is not None and not is_template(route.answer)
            if not literal:  # an operator may name a host that is away now
                await check_callback(found.reply_to.to, self._allow)
        return await self._with_files(found, body) if isinstance(found, Trigger) else found

    async def _with_files(self, trigger: Trigger, body: Body) -> Trigger:
        """The trigger with the files of a form."""
        if not body.files:
            return trigger
        files = [File(one.name, one.content_type, one.content, one.charset) for one in body.files]
        owner = owner_of(trigger.agent or "", (*trigger.keys, trigger.conversation)[0])
        kept = await keep(await self._files.read(files), owner, self._blobs)
        hashes = "".join(hashlib.sha256(file.content).hexdigest() for file in files)
        digest = hashlib.sha256(f"{trigger.digest}{hashes}".encode()).hexdigest()[:32]
        return trigger.model_copy(update={"attachments": kept, "digest": digest})
