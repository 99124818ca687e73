"""Blocks of Slack's Block Kit as text. Pure."""

from __future__ import annotations

from collections.abc import Callable

from ponderd.channels.slack.reading.emoji_names import with_emoji
from ponderd.channels.slack.reading.markup import link, moment, plain, unescaped
from ponderd.channels.slack.reading.rich_text import rich_text
from ponderd.channels.slack.reading.tables import table
from ponderd.channels.slack.reading.view import TOO_DEEP, View, fields, lines, listed, words
from ponderd.channels.slack.reading.whatever import whatever


def read_blocks(blocks: object, view: View) -> list[str]:
    """What each block says, without those that say nothing."""
    said = (_block(block, view) for block in listed(blocks))
    return [text for text in said if text.strip()]


def text_object(found: object, view: View) -> str:
    """A text object, or a mere string where Slack once took one."""
    if isinstance(found, str):
        return plain(found, view)
    text = words(fields(found).get("text"))
    if fields(found).get("type") == "plain_text":
        return with_emoji(unescaped(text), view.emoji)
    return plain(text, view)


def image(found: dict[str, object], view: View) -> str:
    """A picture, as far as words tell of it: its title, its description, its address."""
    title = text_object(found.get("title"), view).strip()
    alt = words(found.get("alt_text")).strip()
    said = ": ".join(dict.fromkeys(part for part in (title, alt) if part))
    url = words(found.get("image_url"))
    return f"[image: {link(url, said)}]" if said or url else "[image]"


def _block(block: dict[str, object], view: View) -> str:
    said = _known(block, view)
    return whatever(block, view, lambda part: _known(part, view)) if said is None else said


def _known(part: dict[str, object], view: View) -> str | None:
    kind = part.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        return None
    return TOO_DEEP if view.is_too_deep else read(part, view.deeper())


def _section(block: dict[str, object], view: View) -> str:
    return lines(
        text_object(block.get("text"), view),
        *(text_object(field, view) for field in listed(block.get("fields"))),
        _block(fields(block.get("accessory")), view),
    )


def _context(block: dict[str, object], view: View) -> str:
    said = (
        words(element.get("alt_text")) if element.get("type") == "image" else _block(element, view)
        for element in listed(block.get("elements"))
    )
    return " ".join(text.strip() for text in said if text.strip())


def _text(block: dict[str, object], view: View) -> str:
    return text_object(block.get("text"), view)


def _table(block: dict[str, object], view: View) -> str:
    rows = block.get("rows")
    cells = [
        [_cell(cell, view) for cell in row]
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, list)
    ]
    return lines(text_object(block.get("caption"), view), table(cells))


def _cell(cell: object, view: View) -> str:
    if not isinstance(cell, dict):
        return words(cell)
    if cell.get("type") in ("raw_text", "raw_number"):
        return words(cell.get("text")) or words(cell.get("value"))
    return _block(cell, view)


def _video(block: dict[str, object], view: View) -> str:
    title = text_object(block.get("title"), view) or words(block.get("alt_text"))
    url = words(block.get("title_url")) or words(block.get("video_url"))
    return lines(
        f"[video: {link(url, title.strip())}]",
        words(block.get("author_name")),
        words(block.get("provider_name")),
        text_object(block.get("description"), view),
    )


def _file(block: dict[str, object], view: View) -> str:
    """Its file is among the files of the message, if Slack tells of it."""
    return "" if block.get("file") else f"[file: {words(block.get('external_id'))}]"


def _buttons(block: dict[str, object], view: View) -> str:
    return " ".join(read_blocks(block.get("elements"), view))


def _button(element: dict[str, object], view: View) -> str:
    label = link(words(element.get("url")), text_object(element.get("text"), view).strip())
    return f"[{label}]" if label else ""


def _menu(element: dict[str, object], view: View) -> str:
    """What is chosen or entered there, else what can be, else what it asks for."""
    chosen = [fields(element.get("initial_option")), *listed(element.get("initial_options"))]
    options = chosen if any(chosen) else listed(element.get("options"))
    labels = [text_object(option.get("text"), view).strip() for option in options]
    labels += [view.person(user) for user in _initial(element, "user")]
    labels += [view.names.channel(id_) for id_ in _initial(element, "channel")]
    labels += [view.names.channel(id_) for id_ in _initial(element, "conversation")]
    for name in ("initial_value", "initial_date", "initial_time"):
        labels.append(words(element.get(name)))
    labels.append(moment(element.get("initial_date_time")))
    said = " / ".join(label for label in labels if label)
    said = said or text_object(element.get("placeholder"), view).strip()
    return f"[{said}]" if said else ""


def _initial(element: dict[str, object], kind: str) -> list[str]:
    """The ids that a menu begins with."""
    several = element.get(f"initial_{kind}s")
    ids = several if isinstance(several, list) else [element.get(f"initial_{kind}")]
    return [found for found in ids if isinstance(found, str) and found]


def _input(block: dict[str, object], view: View) -> str:
    label = text_object(block.get("label"), view).strip()
    entered = _block(fields(block.get("element")), view)
    asked = f"{label}: {entered}" if label and entered else label or entered
    return lines(asked, text_object(block.get("hint"), view))


def _call(block: dict[str, object], view: View) -> str:
    call = fields(fields(block.get("call")).get("v1"))
    name = words(call.get("name")) or words(call.get("display_id"))
    url = words(call.get("join_url"))
    people = (
        words(person.get("display_name")) or view.person(words(person.get("slack_id")))
        for person in listed(call.get("all_participants"))
    )
    return lines(f"[call: {link(url, name)}]", ", ".join(people))


def _shown_text(element: dict[str, object], view: View) -> str:
    return text_object(element, view)


def _nothing(block: dict[str, object], view: View) -> str:
    return ""


_READERS: dict[str, Callable[[dict[str, object], View], str]] = {
    "rich_text": rich_text,
    "section": _section,
    "header": _text,
    "context": _context,
    "markdown": _text,
    "table": _table,
    "data_table": _table,
    "image": image,
    "video": _video,
    "file": _file,
    "actions": _buttons,
    "context_actions": _buttons,
    "input": _input,
    "call": _call,
    "divider": _nothing,
    "button": _button,
    "workflow_button": _button,
    "overflow": _menu,
    "mrkdwn": _shown_text,
    "plain_text": _shown_text,
    **dict.fromkeys(
        [
            *(
                f"{many}{kind}_select"
                for many in ("", "multi_")
                for kind in ("static", "external", "users", "conversations", "channels")
            ),
            "checkboxes",
            "radio_buttons",
            "datepicker",
            "timepicker",
            "datetimepicker",
            "plain_text_input",
            "number_input",
            "email_text_input",
            "url_text_input",
        ],
        _menu,
    ),
}
