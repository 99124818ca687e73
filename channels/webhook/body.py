"""What a webhook's body says, in whatever form its sender wrote it. Pure.

JSON, forms, text and CloudEvents, compressed or not. What is not read is refused with what was sent
and what is taken. Linear time: a body of 1 MiB takes some ten milliseconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ponderd.channels import documents
from ponderd.channels.charset import decode
from ponderd.channels.errors import Malformed, Unsupported
from ponderd.channels.webhook import cloudevents
from ponderd.channels.webhook.encodings import decoded, gunzip
from ponderd.channels.webhook.forms import (
    Form,
    FormFile,
    read_multipart,
    read_urlencoded,
    split_value,
)
from ponderd.channels.webhook.values import WrittenFloat

TAKEN = "JSON (application/json), a form, text (text/plain) or CloudEvents"
"""The kinds of bodies that are read, in words."""

_FORM = "application/x-www-form-urlencoded"
_JSON = ("application/json", "text/json", "application/x-json", "application/javascript")
_JSON_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_TEXTS = ("application/xml", "application/yaml", "application/x-yaml", "application/toml")
_UNKNOWN = ("", "application/octet-stream", "application/gzip", "application/x-gzip", "*/*")
"""Types that say nothing of what is in the body."""


@dataclass(frozen=True, slots=True)
class Body:
    """One event. A batch has several."""

    payload: Any
    """The JSON, the fields of a form, or the text. Of a CloudEvent in JSON: all of the event, as it
    is in headers and body: the body."""
    text: str | None = None
    """What the agent reads if neither the route nor a field `text` of the payload says otherwise.
    None: the payload as JSON."""
    id: str = ""
    """What no other event of this source has. Empty: the body does not say."""
    event: Mapping[str, Any] | None = None
    """All of a CloudEvent, with its data. None: it is none."""
    files: tuple[FormFile, ...] = ()


def read_body(headers: Mapping[str, str], body: bytes) -> tuple[Body, ...]:
    """Read a body; several for a batch of CloudEvents. Names of headers in lower case, or their
    case is ignored. Raises Unsupported, Malformed or TooLarge."""
    plain = decoded(headers, body)
    kind, about = split_value(headers.get("content-type", ""))
    charset = about.get("charset", "")
    cloudevents.refuse_other_formats(kind)
    if kind == cloudevents.BATCH:
        events = cloudevents.check_batch(read_json(plain, charset))
        return tuple(_of_event(event) for event in events)
    if kind == cloudevents.STRUCTURED:
        return (_of_event(cloudevents.check_event(read_json(plain, charset))),)
    attributes = cloudevents.from_headers(headers)
    if not plain.strip():
        if attributes is None:
            raise Malformed(f"the body is empty; send {TAKEN}")
        return (_in_headers(attributes, Body(payload=None)),)
    read = _of_kind(kind, about, plain)
    return (read if attributes is None else _in_headers(attributes, read),)


def read_json(body: bytes, charset: str = "") -> Any:
    """The value of a JSON text. Raises Malformed."""
    try:
        # NaN, Infinity and 1e999: Python reads them, but they are not JSON and cannot be stored.
        return json.loads(
            _json_text(body, charset), parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


def _json_text(body: bytes, charset: str) -> str:
    """JSON is UTF-8. Some programs write other sets all the same, most of them without a label."""
    if charset.lower() in ("", "utf-8", "utf8", "us-ascii"):
        try:
            if b"\0" not in body:
                return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    return decode(body, charset)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _finite(digits: str) -> float:
    number = WrittenFloat(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _of_kind(kind: str, about: Mapping[str, str], body: bytes) -> Body:
    charset = about.get("charset", "")
    if body.startswith(b"\x1f\x8b\x08"):  # gzip, of which the header says nothing
        body = gunzip(body)
    if kind in _JSON or kind.endswith("+json"):
        return Body(read_json(body, charset))
    if kind in _JSON_LINES:
        return Body([read_json(line, charset) for line in body.splitlines() if line.strip()])
    if kind == _FORM:
        return _of_form(body, charset)
    if kind == "multipart/form-data":
        form = read_multipart(body, about.get("boundary", ""), charset)
        return Body(_of_fields(form), files=form.files)
    if kind in ("text/html", "application/xhtml+xml"):
        return _of_html(body, charset)
    if kind.startswith("text/") or kind.endswith(("+xml", "+yaml")) or kind in _TEXTS:
        return _of_text(body, charset)
    if kind in _UNKNOWN:
        return _of_unknown(kind, body, charset)
    raise Unsupported(f"Content-Type: {kind[:60]!r} is not read; send {TAKEN}")


def _of_form(body: bytes, charset: str) -> Body:
    # `curl -d` calls everything a form, JSON and plain words as well.
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        try:
            return Body(read_json(body, charset))
        except Malformed:
            if b"=" not in body:
                raise
    if b"=" not in body:
        return _of_text(body, charset)
    return Body(_of_fields(read_urlencoded(body, charset)))


def _of_fields(form: Form) -> Any:
    """The fields; a field `payload` that holds JSON, as GitHub and Slack send it, is that JSON."""
    inner = form.fields.get("payload")
    if isinstance(inner, str) and inner.lstrip()[:1] in ("{", "["):
        try:
            payload = read_json(inner.encode("utf-8", "replace"))
        except Malformed:
            return form.fields
        return payload if len(form.fields) == 1 else {**form.fields, "payload": payload}
    return form.fields


def _of_text(body: bytes, charset: str) -> Body:
    text = decode(body, charset)
    if text.lstrip()[:1] in ("{", "["):  # some senders call their JSON text/plain
        try:
            return Body(read_json(body, charset), text=text)
        except Malformed:
            pass
    return Body(text, text=text)


def _of_html(body: bytes, charset: str) -> Body:
    read = documents.read(body, "text/html", "", charset)
    text = read.text if read.text.strip() else decode(body, charset)
    return Body(text, text=text)


def _of_unknown(kind: str, body: bytes, charset: str) -> Body:
    try:
        return Body(read_json(body, charset))
    except Malformed:
        controls = sum(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in body)
        if controls and not charset:
            sent = f"Content-Type: {kind!r}" if kind else "no Content-Type"
            raise Unsupported(f"{sent}, and neither JSON nor text; send {TAKEN}") from None
    text = decode(body, charset)
    return Body(text, text=text)


def _of_event(event: dict[str, Any]) -> Body:
    """An event in JSON."""
    binary = cloudevents.data_of(event)
    if binary is not None:
        event = {name: value for name, value in event.items() if name != "data_base64"}
        event["data"] = _data(str(event.get("datacontenttype") or "application/json"), binary)
    data = event.get("data")
    said = data.get("text") if isinstance(data, dict) else None
    text = said if isinstance(said, str) and said.strip() else None
    return Body(event, text=text, id=cloudevents.id_of(event), event=event)


def _data(content_type: str, content: bytes) -> Any:
    kind, about = split_value(content_type)
    try:
        return _of_kind(kind, about, content).payload
    except Unsupported:
        raise Unsupported(
            f"datacontenttype: {kind[:60]!r} in data_base64 is not read; send {TAKEN}"
        ) from None


def _in_headers(attributes: dict[str, Any], body: Body) -> Body:
    """An event whose attributes are in headers, and whose data is the body."""
    event = attributes if body.payload is None else {**attributes, "data": body.payload}
    text = body.text
    if text is None:
        try:
            text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        except RecursionError:
            raise Malformed("the JSON is nested too deeply") from None
    return replace(body, text=text, id=cloudevents.id_of(event), event=event)
