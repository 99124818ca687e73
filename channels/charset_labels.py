"""The names of character sets, and the widest set that programs write under each name. Pure.

As browsers read them (WHATWG Encoding), with those that only mail has. A name is read leniently:
case, blanks, quotes and punctuation do not count, nor does what stands behind it.
"""

from __future__ import annotations

import re

# Names without their punctuation, for each codec of Python or of charset.py ("jis", "euc-jp", "hz",
# "shifted").
_NAMES = {
    "utf-8": (
        "utf8 utf utf8mb4 utf8mb3 utf8bom utf8sig unicode11utf8 unicode20utf8 cesu8 u8 xutf8 "
        "xunicode20utf8 65001 cp65001 csutf8 iso10646utf8"
    ),
    "utf-7": "u7 utf7 unicode11utf7 unicode20utf7 csunicode11utf7 csutf7 65000 cp65000 utf7imap",
    "utf-16": (
        "unicode u16 utf16 ucs2 iso10646ucs2 csunicode csutf16 unicodefeff iso10646 utf16bom"
    ),
    "utf-16-le": "utf16le ucs2le unicodelittle csutf16le 1200 cp1200",
    "utf-16-be": "unicodefffe utf16be ucs2be unicodebig csutf16be 1201 cp1201",
    "utf-32": "u32 utf32 ucs4 iso10646ucs4 csutf32",
    "utf-32-le": "utf32le ucs4le csutf32le",
    "utf-32-be": "utf32be ucs4be csutf32be",
    "ascii": (
        "ascii usascii ansix341968 ansix341986 iso646us iso646irv1991 isoir6 us csascii 646 "
        "ibm367 cp367 asciius usascii7 7bitascii iso646 20127 iso88590"
    ),
    "cp1252": (
        "8859 iso8859 latin windows1252 cp1252 win1252 1252 ms1252 ibm1252 msansi latin1 l1 "
        "iso88591 iso885911987 isoir100 csisolatin1 cp819 ibm819 819 88591 28591 iso1 "
        "windowslatin1 westerneurope western westeuropean iso88591windows31latin1 "
        "iso88591latin1 windows31latin1 cswindows31latin1 windows28591 cp28591 isolatin1"
    ),
    "cp1250": "windows1250 cp1250 win1250 1250 ms1250 mseasteurope centraleurope",
    "cp1251": "windows1251 cp1251 win1251 1251 ms1251 mscyrl ansicyrillic win",
    "cp1253": "windows1253 cp1253 win1253 1253 ms1253 msgreek",
    "cp1254": (
        "windows1254 cp1254 win1254 1254 ms1254 msturk iso88599 iso885991989 latin5 l5 "
        "isoir148 csisolatin5 88599 28599 cp28599 isolatin5"
    ),
    "cp1255": (
        "windows1255 cp1255 win1255 1255 ms1255 mshebr iso88598 iso88598i iso88598e "
        "iso885981988 hebrew isoir138 csisolatinhebrew csiso88598i csiso88598e 88598 28598 "
        "38598 logical visual dosh"
    ),
    "cp1256": "windows1256 cp1256 win1256 1256 ms1256 msarab",
    "cp1257": "windows1257 cp1257 win1257 1257 ms1257 winbaltrim",
    "cp1258": "windows1258 cp1258 win1258 1258 ms1258 vietnamese",
    "cp874": (
        "windows874 cp874 win874 874 ms874 dos874 tis620 tis6200 tis62025291 tis62025330 "
        "tis6202533 tis iso885911 iso8859112001 thai isoir166 iso8859thai 885911 cstis620"
    ),
    "iso8859-2": "iso88592 iso885921987 latin2 l2 isoir101 csisolatin2 88592 28592 isolatin2",
    "iso8859-3": "iso88593 iso885931988 latin3 l3 isoir109 csisolatin3 88593 28593 isolatin3",
    "iso8859-4": "iso88594 iso885941988 latin4 l4 isoir110 csisolatin4 88594 28594 isolatin4",
    "iso8859-5": "iso88595 iso885951988 cyrillic isoir144 csisolatincyrillic 88595 28595",
    "iso8859-6": (
        "iso88596 iso88596i iso88596e iso885961987 arabic asmo708 ecma114 isoir127 "
        "csisolatinarabic csiso88596i csiso88596e 88596 28596"
    ),
    "iso8859-7": (
        "iso88597 iso885971987 iso885972003 greek greek8 ecma118 elot928 isoir126 "
        "csisolatingreek suneugreek 88597 28597"
    ),
    "iso8859-10": "iso885910 iso8859101992 latin6 l6 isoir157 csisolatin6 885910 isolatin6",
    "iso8859-13": "iso885913 885913 csiso885913 28603 latin7 l7 baltic",
    "iso8859-14": "iso885914 iso8859141998 885914 csiso885914 latin8 l8 isoir199 isoceltic celtic",
    "iso8859-15": (
        "iso885915 iso8859151998 885915 csiso885915 csisolatin9 latin9 l9 latin0 l0 28605 "
        "isolatin9 iso885915euro"
    ),
    "iso8859-16": "iso885916 iso8859162001 885916 csiso885916 latin10 l10 isoir226 romanian",
    "koi8-r": "koi8r koi8 koi cskoi8r 20866 cp20866 koi8rfc1489",
    "koi8-u": "koi8u koi8ru cskoi8u 21866 cp21866",
    "koi8-t": "koi8t",
    "ptcp154": "ptcp154 csptcp154 pt154 cp154 cyrillicasian",
    "kz1048": "kz1048 strk10482002 rk1048",
    "cp437": "cp437 ibm437 437 cspc8codepage437 dos437",
    "cp720": "cp720 720 dos720 ibm720",
    "cp737": "cp737 737 ibm737",
    "cp775": "cp775 775 ibm775 cspc775baltic",
    "cp850": "cp850 850 ibm850 cspc850multilingual dos850",
    "cp852": "cp852 852 ibm852 cspcp852 dos852",
    "cp855": "cp855 855 ibm855 csibm855",
    "cp857": "cp857 857 ibm857 csibm857",
    "cp858": "cp858 858 ibm858 ibm00858 ccsid00858 cp00858 pcmultilingual850euro",
    "cp860": "cp860 860 ibm860",
    "cp861": "cp861 861 ibm861 cpis",
    "cp862": "cp862 862 ibm862 cspc862latinhebrew dos862",
    "cp863": "cp863 863 ibm863",
    "cp864": "cp864 864 ibm864",
    "cp865": "cp865 865 ibm865",
    "cp866": "cp866 866 ibm866 csibm866 dos866 cp866u",
    "cp869": "cp869 869 ibm869 cpgr",
    "cp1125": "cp1125 1125 ibm1125 cp866ukr ruscii",
    "hp-roman8": "hproman8 roman8 r8 cshproman8",
    "mac-roman": "macintosh mac macroman csmacintosh 10000 macroman8 applemacroman",
    "mac-cyrillic": "maccyrillic macukrainian macukraine 10007",
    "mac-greek": "macgreek 10006",
    "mac-iceland": "maciceland macicelandic 10079",
    "mac-latin2": "maclatin2 maccentraleurope macce maccentraleurroman maccenteuro 10029",
    "mac-turkish": "macturkish 10081",
    "mac-croatian": "maccroatian 10082",
    "mac-romanian": "macromanian macromania 10010",
    "mac-arabic": "macarabic 10004",
    "mac-farsi": "macfarsi",
    "gb18030": (
        "macsimpchinese macchinesesimp eucgb2312cn gb18030 gb180302000 gb180302005 "
        "gb180302022 gbk gb2312 gb23121980 gb231280 csgb2312 isoir58 csiso58gb231280 cp936 "
        "936 ms936 windows936 win936 euccn euccngb gb cngb chinese chinesesimplified csgbk "
        "csgb18030 gb23120 54936 cp54936 20936 cngbk gbk2312 iso58gb231280"
    ),
    "hz": "hz hzgb hzgb2312 52936 cp52936 hzgbk",
    "big5": (
        "mactradchinese macchinesetrad big5 csbig5 cnbig5 xxbig5 big5eten big5hkscs "
        "big5hkscs1999 big5hkscs2001 big5hkscs2004 big5tw big5hk hkscs cp950 950 ms950 "
        "windows950 win950 951 cp951 chinesebig5 chinesetraditional big52003 ibm950"
    ),
    "jis": (
        "iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jpext iso2022jp2004 iso2022jpms "
        "csiso2022jp csiso2022jp2 iso2022jp1978078 cp50220 cp50221 cp50222 50220 50221 50222 "
        "jis jiscode iso2022jpmobile iso2022 cp5022x jisencoding csjisencoding iso2022jis"
    ),
    "cp932": (
        "macjapanese shiftjismac shiftjis shiftjisx0213 shiftjis2004 sjis sjisopen sjiswin "
        "sjismac sjis2004 sjisx0213 ms932 cp932 932 windows932 win932 windows31j cswindows31j "
        "csshiftjis mskanji mscp932 cp943 ibm943 943 shiftjiscp932 japanese xsjisjp"
    ),
    "euc-jp": (
        "eucjp ujis cseucpkdfmtjapanese eucjpms eucjpwin cp51932 51932 20932 cp20932 "
        "eucjis2004 eucjisx0213 extendedunixcodepackedformatforjapanese eucjp2004 eucjpopen "
        "eucjpascii"
    ),
    "cp949": (
        "mackorean euckr cseuckr ksc5601 ksc56011987 ksc56011989 ksc56011992 isoir149 korean "
        "csksc56011987 uhc cp949 949 ms949 windows949 win949 51949 cp51949 ks5601 ksc1001 "
        "ksx1001 kscx1001 ibm949"
    ),
    "johab": "johab cp1361 1361 ms1361",
    "shifted": (
        "iso2022cn iso2022cnext csiso2022cn 50227 cp50227 iso2022kr csiso2022kr 50225 cp50225"
    ),
}
_CODECS = {name: codec for codec, names in _NAMES.items() for name in names.split()}

_LABEL_LIMIT = 200
_LONG_ENOUGH = 8
"""Characters of a name that is known even if something is glued to it (utf-8http-equiv)."""
_PREFIX = re.compile(r"(?:charset|encoding)\s*=\s*", re.IGNORECASE)
_BEHIND = re.compile(r"[\s;,*\"'()<>]+")


def codec_of(label: str) -> str:
    """The codec for a label: one of Python's, or one that charset.py has. "" if it is unknown."""
    label = label[:_LABEL_LIMIT].strip(" \t\r\n\"'=;,<>()\\")
    label = _PREFIX.sub("", label, count=1).strip(" \t\"'")
    for name in (label, *_BEHIND.split(label, maxsplit=1)[:1]):
        key = "".join(char for char in name.lower() if char.isascii() and char.isalnum())
        for candidate in (key, key.lstrip("x"), key.removeprefix("cs")):
            if candidate in _CODECS:
                return _CODECS[candidate]
    glued = (key[:length] for length in range(len(key) - 1, _LONG_ENOUGH - 1, -1))
    return next((_CODECS[name] for name in glued if name in _CODECS), "")
