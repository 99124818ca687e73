"""Text from bytes, whatever their label says. Pure.

`decode` reads what programs really write: a label means its widest set, and one that the bytes
contradict gives way to the likeliest reading.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from ponderd.channels.charset_guess import contradicted, likeliest, makes_sense, reads_better
from ponderd.channels.charset_labels import codec_of

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
# Seven-bit sets that switch between alphabets in the text.
_SWITCHING = ("jis", "hz", "shifted", "utf-7")
_ANY = ("", "ascii", "utf-8")
"""Labels that programs put on text of every set."""

_HIGH = re.compile(rb"[\x80-\xff]")
_JIS_MARK = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([IJ])")
_SHIFT_MARK = re.compile(rb"\x1b\$\)([AC])")
# What was no valid UTF-8 in text that was decoded with "surrogateescape".
_ESCAPED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")
# A character of UTF-8, or the beginning of one that was cut.
_UTF8_LIKE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SAMPLE = 64 * 1024
_FOREIGN_LINES = 100
"""Lines of a text in UTF-8 that are looked at more closely."""

# Windows has letters and quotation marks where the ISO sets, and Unicode, have unseen controls.
_C1 = "".join(bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0xA0))
_SEEN = {0x80 + index: char for index, char in enumerate(_C1)}
_SIBLINGS = {
    "iso8859-2": "cp1250",
    "iso8859-4": "cp1257",
    "iso8859-5": "cp1251",
    "iso8859-6": "cp1256",
    "iso8859-7": "cp1253",
    "iso8859-13": "cp1257",
}
# With one of these bytes, the whole text is in the Windows set: it has other letters elsewhere.
_WHOLLY_WINDOWS = {
    "iso8859-2": re.compile(rb"[\x9c\x9f\x8c\x8f]"),
    "iso8859-7": re.compile(rb"[\x80-\x9f]"),
    "iso8859-13": re.compile(rb"[\x80-\x9f]"),
}
_C1_BYTES = re.compile(rb"[\x80-\x9f]")


_DECLARED = re.compile(
    rb"<(?:meta\b[^<>]{0,300}?\bcharset|\?xml\b[^<>]{0,100}?\bencoding)\s{0,9}="
    rb"[\s\"']{0,9}([\w.:-]{1,40})",
    re.IGNORECASE,
)


def declared(source: bytes) -> str:
    """The charset label that HTML or XML carries in itself. "" if there is none."""
    found = _DECLARED.search(source, 0, 4096)
    label = found[1].decode("ascii") if found else ""
    # What is read here as ASCII is not UTF-16, whatever it says.
    return "utf-8" if codec_of(label) in _WIDE else label


def decode(data: bytes, label: str = "") -> str:
    """`data` as text, by its charset label ("" if there is none). Never raises.

    What cannot be read becomes U+FFFD; the result holds no surrogates and no C1 controls. A byte
    order mark at the start is read and left out.
    """
    text = _text(data, codec_of(label)).removeprefix("\ufeff")
    return _SURROGATE.sub("\ufffd", text).translate(_SEEN)


def _text(data: bytes, codec: str) -> str:
    for mark, marked in _BOMS:
        if data.startswith(mark) and (len(mark) > 2 or len(data) % 2 == 0 or codec in _WIDE):
            return data.decode(marked, "replace")
    wide = _wide(data, codec)
    if wide:
        return data.decode(wide, "replace")
    if _HIGH.search(data) is None:
        return _seven_bit(data, codec)
    return _eight_bit(data, "" if codec in (*_WIDE, "utf-7", "hz") else codec)


def _wide(data: bytes, codec: str) -> str:
    """The UTF-16 or UTF-32 in which `data` is written. "" if it is in neither."""
    sample = data[:_SAMPLE]
    zeros = [sample[place::4].count(0) for place in range(4)]
    quarter = len(sample) / 4
    if sample and len(data) % 4 == 0:
        if min(zeros[2], zeros[3]) > 0.9 * quarter and zeros[0] < 0.5 * quarter:
            return "utf-32-le"
        if min(zeros[0], zeros[1]) > 0.9 * quarter and zeros[3] < 0.5 * quarter:
            return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if codec in _WIDE and not codec.startswith("utf-32"):
        if even + odd == 0 and _is_utf8(data):
            return ""
        if codec != "utf-16":
            swapped = {"utf-16-le": "utf-16-be", "utf-16-be": "utf-16-le"}
            wrong = even > 2 * odd if codec == "utf-16-le" else odd > 2 * even
            return swapped[codec] if wrong else codec
        if even != odd:
            return "utf-16-le" if odd > even else "utf-16-be"
        return min("utf-16-le", "utf-16-be", key=lambda one: _oddness(sample, one))
    if codec in _WIDE:
        return codec + "-be" if codec == "utf-32" and zeros[0] and zeros[1] and zeros[2] else ""
    if max(even, odd) > 0.2 * len(sample) and min(even, odd) < 0.1 * max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def _oddness(sample: bytes, codec: str) -> float:
    """How unlike text a reading is: the number of different blocks of 256 characters in it."""
    text = sample.decode(codec, "replace")
    return len({ord(char) >> 8 for char in text}) + 10 * text.count("\ufffd")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _seven_bit(data: bytes, codec: str) -> str:
    if codec == "utf-7":
        return data.decode("utf-7", "replace")
    if codec == "hz":
        return _hz(data)
    if b"\x1b" in data:
        if _SHIFT_MARK.search(data):
            return _shifted(data)
        if codec == "jis" or _JIS_MARK.search(data):
            return _iso_2022_jp(data)
    return data.decode("ascii")


def _eight_bit(data: bytes, codec: str) -> str:
    utf8 = _utf8(data, codec)
    if utf8 is not None:
        return utf8
    if codec in _ANY or codec in _SWITCHING:
        marked = codec in _SWITCHING or _JIS_MARK.search(data)
        if marked and b"\x1b" in data:
            return _shifted(data) if _SHIFT_MARK.search(data) else _iso_2022_jp(data)
        return _labelled(data, likeliest(data))
    text = _labelled(data, codec)
    beyond = len(_BEYOND_ASCII.findall(text[:_SAMPLE]))
    if codec != "cp1252" and text[:_SAMPLE].count("\ufffd") > 1 + beyond // 20:
        return _labelled(data, likeliest(data, codec))
    other = contradicted(data, codec)
    return _labelled(data, other) if other else text


def _utf8(data: bytes, codec: str) -> str | None:
    """`data` as UTF-8, with U+FFFD where it is broken; None if it rather is something else."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if cesu := _cesu(data):
            return cesu
        first = _HIGH.search(data)
        starts = {first.start() if first else 0, max(0, error.start - _SAMPLE // 2)}
        sample = "".join(
            data[start : start + _SAMPLE].decode("utf-8", "surrogateescape") for start in starts
        )
        broken = len(_ESCAPED.findall(sample))
        sound = len(_BEYOND_ASCII.findall(sample))
        if sound < broken or (codec not in _ANY and sound < 8 * broken):
            return None
        return _by_lines(data)
    # By chance, a few letters in another set may be valid UTF-8, too.
    beyond = _BEYOND_ASCII.findall(text[:_SAMPLE])
    if codec in _ANY or len(beyond) > 2 or any(char > "\u07ff" for char in beyond):
        return text
    return text if reads_better(text, data, codec) else None


def _by_lines(data: bytes) -> str:
    """UTF-8 in which single lines, such as the footer of a list, may be in another set."""
    texts: list[str] = []
    guesses = 0
    for line in data.split(b"\n"):
        text = ""
        if guesses < _FOREIGN_LINES and not line.isascii() and not _UTF8_LIKE.search(line):
            guesses += 1
            text = makes_sense(line)
        texts.append(text or line.decode("utf-8", "replace"))
    return "\n".join(texts)


def _cesu(data: bytes) -> str:
    """UTF-8 that writes surrogates in pairs, as some databases do. "" if it is something else."""
    try:
        pairs = data.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError:
        return ""
    return pairs.decode("utf-16-le", "replace")


def _labelled(data: bytes, codec: str) -> str:
    """`data` in exactly this codec."""
    if codec == "jis":
        return _iso_2022_jp(data)
    if codec == "shifted":
        return _shifted(data)
    if codec == "euc-jp":
        return _euc_jp(data)
    if codec == "big5":
        return _big5(data)
    if codec == "gb18030":
        return data.decode("gb18030", "ponderd.euro")
    if codec == "cp1258":  # it writes some accents apart from their letters
        return unicodedata.normalize("NFC", data.decode("cp1258", "replace"))
    if codec.startswith("iso8859") and _C1_BYTES.search(data):
        windows = _SIBLINGS.get(codec, "cp1252")
        if codec in _WHOLLY_WINDOWS and _WHOLLY_WINDOWS[codec].search(data):
            return data.decode(windows, "replace")
        seen = {byte: bytes([byte]).decode(windows, "replace") for byte in range(0x80, 0xA0)}
        return data.decode(codec, "replace").translate(seen)
    return data.decode(codec, "replace")


def _euro(error: UnicodeError) -> tuple[str, int]:
    """A lone byte 80 is the euro sign of Windows in Chinese text."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    is_euro = error.object[error.start] == 0x80
    return ("€" if is_euro else "\ufffd"), error.start + 1


codecs.register_error("ponderd.euro", _euro)


def _big5(data: bytes) -> str:
    for codec in ("cp950", "big5hkscs"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            pass
    return data.decode("big5hkscs", "replace")


_WITH_HIGH_BIT = bytes(byte | 0x80 for byte in range(256))
_EUC = re.compile(
    rb"((?:[\xa1-\xfe]{2})+)|[\x00-\x7f]+|\x8e.?|\x8f[\xa1-\xfe]{0,2}|[\x80-\xff]", re.DOTALL
)
# Python follows JIS; Windows, and so everybody's fonts, have these.
_AS_WINDOWS = str.maketrans("〜‖−¢£¬", "～∥－￠￡￢")


def _jis_x_0208(pairs: bytes) -> str:
    """Pairs of bytes A1 to FE, with what NEC and IBM added (①, ㈱, 﨑)."""
    try:
        return pairs.decode("euc_jp").translate(_AS_WINDOWS)
    except UnicodeDecodeError:
        pass
    shifted = bytearray()
    for high, low in zip(pairs[0::2], pairs[1::2], strict=False):
        row, cell = high - 0xA1, low - 0xA1
        lead = 0x81 + row // 2
        shifted.append(lead if lead < 0xA0 else lead + 0x40)
        if row % 2:
            shifted.append(cell + 0x9F)
        else:
            shifted.append(cell + (0x40 if cell < 0x3F else 0x41))
    text = bytes(shifted).decode("cp932", "replace")
    return text + "\ufffd" * (len(pairs) % 2)


def _euc_jp(data: bytes) -> str:
    try:
        return data.decode("euc_jp").translate(_AS_WINDOWS)
    except UnicodeDecodeError:
        pass
    return "".join(
        _jis_x_0208(piece[0]) if piece[1] else piece[0].decode("euc_jp", "replace")
        for piece in _EUC.finditer(data)
    )


# The alphabets of ISO-2022-JP, -JP-1, -JP-2 and -JP-3, by their escape sequences.
_ESCAPE = re.compile(rb"\x1b(\$\([@ABCDOPQ]|\$[@AB]|\([A-Za-z]|&@|\.[AF])")
_PAIRS = re.compile(rb"(?:[\x21-\x7e]{2})+")
_DOUBLE = {
    b"$(@": "", b"$@": "", b"$(B": "", b"$B": "", b"$A": "gb2312", b"$(A": "gb2312",
    b"$(C": "cp949", b"$(D": "jis x 0212", b"$(O": "euc_jis_2004", b"$(P": "plane 2",
    b"$(Q": "euc_jis_2004",
}  # fmt: skip


def _iso_2022_jp(data: bytes) -> str:
    pieces: list[str] = []
    alphabet = b"(B"
    # Odd: the escape sequences; even: what stands between them.
    for index, piece in enumerate(_ESCAPE.split(data)):
        if index % 2:
            alphabet = piece
            continue
        line, newline, rest = piece.partition(b"\n")
        pieces.append(_in_alphabet(line, alphabet))
        if newline:  # every line begins in ASCII
            alphabet = b"(B"
            pieces.append("\n" + _in_alphabet(rest, alphabet))
    return "".join(pieces)


def _in_alphabet(data: bytes, alphabet: bytes) -> str:
    if alphabet == b"(I":
        return data.translate(_KATAKANA).decode("cp932", "replace")
    if alphabet not in _DOUBLE:
        text = data.decode("cp932", "replace")
        return text.replace("\\", "¥") if alphabet == b"(J" else text
    return "".join(
        _pairs(piece.translate(_WITH_HIGH_BIT), _DOUBLE[alphabet])
        if _PAIRS.fullmatch(piece)
        else piece.decode("ascii", "replace")
        for piece in re.split(rb"((?:[\x21-\x7e]{2})+)", data)
    )


_KATAKANA = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in range(256))


def _pairs(pairs: bytes, codec: str) -> str:
    if not codec:
        return _jis_x_0208(pairs)
    if codec in ("jis x 0212", "plane 2"):
        codec = "euc_jp" if codec == "jis x 0212" else "euc_jis_2004"
        each = zip(pairs[0::2], pairs[1::2], strict=True)
        pairs = b"".join(bytes((0x8F, high, low)) for high, low in each)
    return pairs.decode(codec, "replace")


_SHIFTED = re.compile(rb"\x0e([^\x0f\n]*)\x0f?")
_HZ = re.compile(rb"~\{([^~\n]*)(?:~\}|~?(?=\n)|\Z)|~(~)|~\r?\n")


def _shifted(data: bytes) -> str:
    """ISO-2022-KR and ISO-2022-CN, which shift to their one other alphabet and back."""
    mark = _SHIFT_MARK.search(data)
    codec = "gb18030" if mark and mark[1] == b"A" else "cp949"
    plain = _SHIFT_MARK.sub(b"", data)
    return _SHIFTED.sub(lambda found: found[1].translate(_SHIFT_UP), plain).decode(codec, "replace")


_SHIFT_UP = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))


def _hz(data: bytes) -> str:
    return _HZ.sub(
        lambda found: (found[1] or b"").translate(_SHIFT_UP) + (found[2] or b""), data
    ).decode("gb18030", "replace")
