"""The elements by which mail programs mark what they quote, and signatures, in HTML. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto


class Role(Enum):
    """What an element of a mail is for."""

    HISTORY = auto()
    """It holds a quoted mail."""
    QUOTING = auto()
    """It holds an attribution and quotations, and between those what the person answers."""
    FORWARDED = auto()
    DIVIDER = auto()
    """A quoted mail begins here, if a header block follows."""
    BEGINNING = auto()
    """It holds the header block of a quoted mail. All below it is that mail."""
    BELOW = auto()
    """It divides, and holds the quoted mail."""
    SIGNATURE = auto()


# Web mailers put "x_" before the names in mails that they quote.
_PREFIX = re.compile(r"^(?:x_)+")
_ROLES = {
    Role.QUOTING: (
        ".gmail_quote .gmail_quote_container .protonmail_quote .tutanota_quote .zmail_extra"
        " #qt .front-quote"
    ),
    Role.HISTORY: (
        ".gmail_attr .moz-cite-prefix #reply-intro .yahoo_quoted #yahoo_quoted .aol_quoted"
        " #aolmail_quoted .mailmaster-quote .ntes-mailmaster-quote #isreplycontent"
        " .__aliyun_previous_email #__aliyun_previous_email .alimail-quote .front-blockquote"
        " .history_container .mb_quote .airmail_quote #olk_src_body_section"
        " .mac_outlook_attribution_blockquote #mac_outlook_attribution_blockquote"
        " #composewebview_previouse_content .mailru-blockquote .missive_quote .sh-quoted-content"
        " .hey-quote .freshdesk_quote .zd-quote #replysplit .quoted-text .email_quote"
        " .reply-quote .bluemail_quote .edison-quote #edo-original .spark_quote"
    ),
    Role.FORWARDED: ".moz-forward-container #isforwardcontent .gmail_forward",
    Role.BEGINNING: "#divrplyfwdmsg .outlookmessageheader",
    Role.DIVIDER: ("#appendonsend #zwchr #stopspelling .zmail_extra_hr #orighr"),
    Role.BELOW: (
        "#mail-editor-reference-message-container .mail-editor-reference-message-container"
        " #ms-outlook-mobile-reference-message .ms-outlook-mobile-reference-message"
    ),
    Role.SIGNATURE: (
        ".gmail_signature .gmail_signature_prefix #signature .moz-signature #applemailsignature"
        " .applemailsignature #ms-outlook-mobile-signature .ms-outlook-mobile-signature"
        " .protonmail_signature_block .protonmail_signature_block-user #composer_signature"
        " .mb_sig #bloop_sign .sh-signature .yahoo-signature .email-signature .tutanota_signature"
        " #ms-outlook-ios-signature #outlook-mobile-signature #signature_old"
    ),
}
_BY_NAME = {name: role for role, names in _ROLES.items() for name in names.split()}
_BY_FIELD = {
    ("name", "quote"): Role.HISTORY,  # GMX and web.de
    ("name", "messagereplysection"): Role.HISTORY,  # Spark
    ("name", "messagesignaturesection"): Role.SIGNATURE,
    ("data-marker", "__quoted_text__"): Role.HISTORY,  # Zimbra
    ("data-marker", "__headers__"): Role.HISTORY,
    ("data-marker", "__divider__"): Role.DIVIDER,
    ("data-marker", "__sig_pre__"): Role.SIGNATURE,
    ("data-marker", "__sig_post__"): Role.SIGNATURE,
}
_TAGS = {"includetail": Role.HISTORY, "yahoo_quoted": Role.HISTORY}
# Yahoo puts random letters before its names, Zimbra and others digits behind.
_ENDS = (("yahoo_quoted", Role.HISTORY), ("yahoosignature", Role.SIGNATURE))
# The line that Outlook draws above the header block of the mail that it quotes.
_OUTLOOK_LINE = re.compile(
    r"border-top\s*:\s*(?:solid\s+)?"
    r"(?:#(?:e1e1e1|b5c4df)|rgb\((?:225, ?225, ?225|181, ?196, ?223)\))"
    r"(?:\s+1\.0pt|\s+1pt|\s+solid)"
    r"|border-top-color\s*:\s*rgb\(229, ?229, ?229\)",
    re.IGNORECASE,
)


def role_of(tag: str, names: frozenset[str], attributes: Mapping[str, str]) -> Role | None:
    """What an element is for, by its names ("#id", ".class", in lower case). None: just text."""
    if tag in _TAGS:
        return _TAGS[tag]
    for name in names:
        role = _BY_NAME.get(name) or _BY_NAME.get(name[0] + _PREFIX.sub("", name[1:]))
        if role is None:
            role = next((role for end, role in _ENDS if name.endswith(end)), None)
        if role is Role.QUOTING and tag == "blockquote":
            return Role.HISTORY
        if role is not None:
            return role
    for field in ("name", "data-marker"):
        role = _BY_FIELD.get((field, attributes.get(field, "").lower()))
        if role is not None:
            return role
    if tag == "blockquote" and (
        attributes.get("type", "").lower() == "cite" or "cite" in attributes
    ):
        return Role.HISTORY
    if tag in ("div", "p", "td") and _OUTLOOK_LINE.search(attributes.get("style", "")):
        return Role.DIVIDER
    return None


def may_be_quotation(names: frozenset[str]) -> bool:
    """Whether an element holds a quoted mail if there are words above it (QQ's `qmbox`)."""
    return ".qmbox" in names or "#qmbox" in names
