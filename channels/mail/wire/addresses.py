"""Mailboxes in headers, and the person behind an envelope address. Pure.

An address is kept in one form: lower case, no needless quotes, the domain in ASCII (punycode). So
two addresses are one if their texts are equal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ponderd.channels.errors import Malformed
from ponderd.channels.mail.wire.address_tokens import Token, tokens
from ponderd.channels.mail.wire.encoded_words import decode_words
from ponderd.channels.text import one_line

ADDRESS_LIMIT = 254
"""Characters of an address (RFC 5321, 4.5.3.1.3)."""

_ATOM = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]{1,200}")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~]){0,200})"')
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# An address that stands in a display name, and is no part of a longer word.
_BARE = re.compile(r"[^\s<>,;:()\[\]\"@]{1,200}@[^\s<>,;:()\[\]\"@]{1,200}")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One entry of an address list."""

    name: str
    """The display name, decoded, on one line; "" if there is none."""
    address: str


def read_address(text: str) -> str | None:
    """An address in the form in which it is kept. None if `text` is none."""
    text = text.strip()
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0]
    if text.startswith("@"):  # the route of RFC 822: <@relay.test:ann@team.test>
        text = text.partition(":")[2]
    local, at, domain = text.rpartition("@")
    local, domain = _local(local.strip()), _domain(domain.strip())
    if not (at and local and domain):
        return None
    address = f"{local}@{domain}"
    return address if len(address.encode("utf-8", "replace")) <= ADDRESS_LIMIT else None


def _local(local: str) -> str:
    composed = unicodedata.normalize("NFC", local)
    if composed.isascii() and not local.isascii():
        return ""  # the sign of Kelvin is no K of another person's
    local = composed
    quoted = _QUOTED.fullmatch(local)
    if quoted:
        plain = re.sub(r"\\(.)", r"\1", quoted[1]).lower()
        if _is_atom(plain) and ".." not in f".{plain}.":
            return plain
        return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"' if plain.isprintable() else ""
    return local.lower() if _is_atom(local) else ""


def _is_atom(local: str) -> bool:
    return bool(_ATOM.fullmatch(local)) and local.isprintable() and "\ufffd" not in local


def _domain(domain: str) -> str:
    """A domain in lower case and in ASCII. "" if it is none."""
    if not 0 < len(domain) <= 253:
        return ""
    if not domain.isascii():
        domain = unicodedata.normalize("NFKC", domain).replace("。", ".")
    labels = [_label(label) for label in domain.lower().removesuffix(".").split(".")]
    return ".".join(labels) if all(labels) else ""


def _label(label: str) -> str:
    if not label.isascii():
        if not all(char.isalnum() or char == "-" or unicodedata.combining(char) for char in label):
            return ""
        label = "xn--" + label.encode("punycode", "replace").decode("ascii")
    return label if _LABEL.fullmatch(label) else ""


def split_tag(local: str) -> tuple[str, str]:
    """The mailbox and the tag of the part before the @ (`ann+invoices`, RFC 5233)."""
    mailbox, _, tag = local.partition("+")
    return (mailbox, tag) if mailbox else (local, "")


def allowed(address: str, allow: Sequence[str]) -> bool:
    """Whether an entry of `allow`, an address or an @domain, covers this address.

    Both are compared in the form in which addresses are kept. An address is allowed with every tag;
    an entry with a tag allows that tag alone.
    """
    known = read_address(address)
    if known is None:
        return False
    local, _, domain = known.rpartition("@")
    forms = {known, f"{split_tag(local)[0]}@{domain}", f"@{domain}"}
    return any(_entry(entry.strip()) in forms for entry in allow)


def _entry(entry: str) -> str | None:
    return f"@{_domain(entry[1:])}" if entry.startswith("@") else read_address(entry)


def parse_list(text: str) -> tuple[Mailbox, ...]:
    """The mailboxes that an address header names, in order; what is none is left out.

    `text` is undecoded. Groups, comments, routes, unquoted names, and brackets that are missing are
    read as they are meant. The time is linear.
    """
    return tuple(mailbox for mailbox, _ in _read(text))


def sender_of(values: Sequence[str]) -> Mailbox:
    """The one person whom the From headers `values` name. Raises Malformed, and says what is wrong.

    A display name may be anything, but another address that stands in it as such, unquoted: other
    programs might take that one for the sender, and the domain may have vouched for it.
    """
    if not values:
        raise Malformed("there is no From header")
    found = [entry for value in values for entry in _read(value)]
    if not found:
        given = one_line(" ".join(values), 100)
        raise Malformed(
            f"the From header holds no address: {given}" if given else "the From header is empty"
        )
    named = [address for mailbox, others in found for address in (*others, mailbox.address)]
    different = list(dict.fromkeys(named))
    if len(different) > 1:
        many = "two" if len(different) == 2 else str(len(different))
        headers = "the From headers name" if len(values) > 1 else "the From header names"
        shown = " and ".join(different[:2])
        raise Malformed(f"{headers} {many} addresses: {one_line(shown, 300)}")
    return next((mailbox for mailbox, _ in found if mailbox.name), found[0][0])


def _read(text: str) -> list[tuple[Mailbox, tuple[str, ...]]]:
    """Each mailbox, and the other addresses that stand unquoted in its name."""
    # Some programs encode the whole header, address and all.
    return _entries_of(text) or (_entries_of(decode_words(text)) if "=?" in text else [])


def _entries_of(text: str) -> list[tuple[Mailbox, tuple[str, ...]]]:
    found: list[tuple[Mailbox, tuple[str, ...]]] = []
    waiting: list[Token] = []
    has_address = False
    for token in [*tokens(text), Token("end", "")]:
        if token.kind == "," and not has_address:
            # The comma belongs to a name that is not quoted (Example, Ann <…>).
            waiting.append(Token("text", ","))
        elif token.kind in (",", ";", "end", "group"):
            found += _entries(waiting) if waiting and token.kind != "group" else []
            waiting, has_address = [], False
        else:
            waiting.append(token)
            has_address |= token.kind in ("angle", "text") and "@" in token.text
    return found


def _entries(parts: list[Token]) -> list[tuple[Mailbox, tuple[str, ...]]]:
    """The mailboxes between two commas: usually one."""
    angles = [index for index, part in enumerate(parts) if part.kind == "angle"]
    if not any("@" in parts[index].text for index in angles):
        return _unbracketed(parts)
    found: list[tuple[Mailbox, tuple[str, ...]]] = []
    begin = 0
    for index in angles:
        address = _in_brackets(parts[index].text)
        if address is None and "@" not in parts[index].text:
            continue  # "<Ops> Ann <ann@team.test>"
        words = parts[begin:index]
        begin = index + 1
        if address:
            name = _name(words) or _comment(parts[index + 1 : index + 3])
            others = tuple(one for one in _bare_addresses(words) if one != address)
            found.append((Mailbox(name, address), others))
    behind = parts[begin:]
    if found and behind:
        mailbox, others = found[-1]
        more = [one for one in _bare_addresses(behind) if one != mailbox.address]
        found[-1] = mailbox, (*others, *more)
    return found


def _unbracketed(parts: list[Token]) -> list[tuple[Mailbox, tuple[str, ...]]]:
    """`ann@team.test`, with comments and blanks in whatever place, or with a name before it."""
    words = [part for part in parts if part.kind in ("text", "quoted", "angle")]
    address = _joined(words)
    if address:
        return [(Mailbox(_comment(parts), address), ())]
    # In quotation marks, only a name can stand here.
    names = [part.text if "@" not in part.text else "" for part in words]
    unquoted = "".join(
        part.text if part.kind == "text" else f" {name} "
        for part, name in zip(words, names, strict=True)
    )
    addresses = [read_address(word.strip(".,;<>'")) for word in unquoted.split() if "@" in word]
    known = [address for address in addresses if address]
    name = _plain(" ".join(word for word in unquoted.split() if "@" not in word))
    return [(Mailbox(name, address), ()) for address in dict.fromkeys(known)]


def _in_brackets(text: str) -> str | None:
    """An address that may have comments in it, as RFC 822 allowed everywhere."""
    return read_address(text) or _joined(tokens(text) if "(" in text else [Token("text", text)])


def _joined(parts: list[Token]) -> str | None:
    """An address from its pieces, without comments and the blanks around dots."""
    words = (part for part in parts if part.kind in ("text", "quoted", "angle"))
    raw = "".join(f'"{one.text}"' if one.kind == "quoted" else one.text for one in words)
    return read_address(re.sub(r" ?([.@]) ?", r"\1", " ".join(raw.split())))


def _name(parts: list[Token]) -> str:
    words = (part for part in parts if part.kind != "comment")
    return _plain("".join(f"<{one.text}>" if one.kind == "angle" else one.text for one in words))


def _plain(raw: str) -> str:
    """A display name decoded, without what stands around it."""
    name = one_line(decode_words(raw)).strip(" ,")
    quoted = len(name) > 2 and name[0] == name[-1] == "'"  # as Outlook does
    return name[1:-1] if quoted else name


def _comment(parts: list[Token]) -> str:
    comments = (part.text for part in parts if part.kind == "comment")
    return next(filter(None, (one_line(decode_words(text)) for text in comments)), "")


def _bare_addresses(parts: list[Token]) -> list[str]:
    """Addresses in a name, outside of quotation marks."""
    # A quoted local part stands directly before its @.
    text = ""
    for part, behind in zip(parts, [*parts[1:], Token("end", "")], strict=False):
        if part.kind == "text":
            text += part.text
        elif part.kind == "quoted":
            is_local = behind.kind == "text" and behind.text.startswith("@")
            text += "".join(part.text.split()) if is_local else " "
        elif part.kind == "angle":
            text += f" {part.text} "
    candidates = (read_address(found[0].strip(".'")) for found in _BARE.finditer(text))
    # "Ann@Ops" is a name; an address of the network has a domain with a dot.
    return [one for one in candidates if one and "." in one.rpartition("@")[2]]
