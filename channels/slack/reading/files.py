"""The files of a message, as far as its event tells of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ponderd.channels.slack.reading.view import fields, lines, listed, objects_in, words
from ponderd.channels.text import one_line

_UNNAMED = "unnamed file"
# Why a file cannot be had, by Slack's `mode` or `file_access`.
_PROBLEMS = {
    "tombstone": "it was deleted",
    "hidden_by_limit": "the plan of the workspace hides files as old as this one",
    "hidden_by_retention": "the workspace no longer keeps files as old as this one",
    "access_denied": "Slack denies access to it",
    "file_not_found": "Slack does not find it",
    "removed": "it was deleted",
}


@dataclass(frozen=True, slots=True)
class SlackFile:
    """A file that somebody shared. `url` and `problem` both empty: files.info may know more."""

    id: str
    name: str
    """Never empty."""
    content_type: str = ""
    size: int = 0
    """Bytes; 0 if Slack does not say."""
    url: str = ""
    """Where its content is read with the bot's token. Empty: nowhere, or not known."""
    preview: str = ""
    """What the event holds of its content."""
    problem: str = ""
    """Why its content cannot be had, in words. Empty: nothing is known against it."""


def read_files(message: Mapping[str, object]) -> list[SlackFile]:
    """The files of a message or an attachment, each once, also those that blocks show."""
    files = message.get("files")
    entries = [*(files if isinstance(files, list) else []), message.get("file")]
    read = map(read_file, [*entries, *_in_blocks(message.get("blocks"))])
    return each_once(file for file in read if file is not None)


def each_once(files: Iterable[SlackFile]) -> list[SlackFile]:
    """`files` without those whose id has come before."""
    found: dict[str, SlackFile] = {}
    for number, file in enumerate(files):
        found.setdefault(file.id or f"#{number}", file)
    return list(found.values())


def read_file(entry: object) -> SlackFile | None:
    """One file of Slack's, or its mere id. None: it is nothing of the kind."""
    if isinstance(entry, str) and entry.strip():
        return SlackFile(id=one_line(entry, 80), name=one_line(entry, 80))
    if not isinstance(entry, dict):
        return None
    known_as = one_line(words(entry.get("id")), 80)
    problem = _problem(entry)
    return SlackFile(
        id=known_as,
        name=_name(entry) or known_as or _UNNAMED,
        content_type=one_line(words(entry.get("mimetype")), 100),
        size=_size(entry.get("size")),
        url="" if problem else _url(entry),
        preview=_preview(entry),
        problem=problem,
    )


def _in_blocks(blocks: object) -> Iterator[object]:
    for part in objects_in(blocks):
        if part.get("type") == "file":
            yield part.get("file") or words(part.get("file_id"))
        elif isinstance(part.get("slack_file"), dict):
            yield part["slack_file"]


def _name(entry: dict[str, object]) -> str:
    for field in ("name", "title", "subject"):
        if name := one_line(words(entry.get(field))):
            return name
    return ""


def _size(size: object) -> int:
    return size if isinstance(size, int) and 0 <= size < 2**53 and size is not True else 0


def _url(entry: dict[str, object]) -> str:
    for field in ("url_private_download", "url_private"):
        url = words(entry.get(field))
        if url.startswith(("https://", "http://")):
            return url
    return ""


def _problem(entry: dict[str, object]) -> str:
    for field in ("mode", "file_access"):
        if known := _PROBLEMS.get(words(entry.get(field))):
            return known
    if entry.get("mode") == "external" or entry.get("is_external") is True:
        where = words(entry.get("external_url")) or words(entry.get("url_private"))
        return f"it is kept outside Slack{f', at {one_line(where, 500)}' if where else ''}"
    return ""


def _preview(entry: dict[str, object]) -> str:
    """What the event tells of the content: a snippet's beginning, a mail, spoken words."""
    spoken = fields(fields(entry.get("transcription")).get("preview"))
    said = next(
        (
            text
            for text in (
                words(entry.get("plain_text")),
                words(entry.get("preview_plain_text")),
                words(entry.get("preview")),
                words(spoken.get("content")),
            )
            if text.strip()
        ),
        "",
    )
    described = words(entry.get("alt_txt")).strip()
    more = entry.get("preview_is_truncated") is True or spoken.get("has_more") is True
    return lines(
        _headers(entry),
        said,
        f"Description: {described}" if described else "",
        "[only the beginning]" if more and said else "",
    )


def _headers(entry: dict[str, object]) -> str:
    """Who wrote a mail to whom about what, if it is one."""
    if not any(entry.get(field) for field in ("plain_text", "subject", "headers")):
        return ""
    people = {
        field: ", ".join(_person(person) for person in listed(entry.get(field)))
        for field in ("from", "to", "cc")
    }
    headers = fields(entry.get("headers"))
    subject = words(entry.get("subject")) or words(headers.get("subject"))
    attached = ", ".join(words(part.get("filename")) for part in listed(entry.get("attachments")))
    named = {
        **people,
        "subject": subject,
        "date": words(headers.get("date")),
        "attachments": attached,
    }
    return lines(*(f"{name.title()}: {one_line(said)}" for name, said in named.items() if said))


def _person(person: dict[str, object]) -> str:
    original = words(person.get("original"))
    name, address = words(person.get("name")), words(person.get("address"))
    return original or (f"{name} <{address}>" if name and address else name or address)
