"""Whatever form a sender chose, what it says is read; and what is not read is named."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from ponderd.channels.errors import Malformed, TooLarge, Unsupported
from ponderd.channels.webhook.body import Body, read_body

HI = b'{"text": "hi"}'


def read(body: bytes, content_type: str = "", **headers: str) -> Body:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type:
        named["content-type"] = content_type
    [one] = read_body(named, body)
    return one


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


class TestJson:
    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "application/json",
            "application/json; charset=utf-8",
            'Application/JSON;charset="UTF-8"',
            "application/vnd.github+json",
            "text/json",
            "application/octet-stream",
            "application/x-www-form-urlencoded",  # what curl -d says
        ],
    )
    def test_it_has_many_names(self, content_type: str) -> None:
        assert read(HI, content_type).payload == {"text": "hi"}

    @pytest.mark.parametrize(
        ("encoded", "content_type"),
        [
            ("\ufeff{}".encode(), "application/json"),
            ('{"a": "Grüße"}'.encode("utf-16"), "application/json"),
            ('{"a": "Grüße"}'.encode("utf-16-le"), "application/json"),
            ('{"a": "Grüße"}'.encode("latin-1"), "application/json; charset=iso-8859-1"),
            ('{"a": "Grüße"}'.encode("cp1252"), "application/json"),  # PowerShell 5
            ('{"a": "Привет"}'.encode("koi8-r"), "application/json; charset=koi8-r"),
        ],
    )
    def test_in_other_sets_of_characters(self, encoded: bytes, content_type: str) -> None:
        payload = read(encoded, content_type).payload
        assert payload in ({}, {"a": "Grüße"}, {"a": "Привет"})

    def test_lines_of_json_are_a_list(self) -> None:
        assert read(b'{"a":1}\n{"a":2}\n', "application/x-ndjson").payload == [{"a": 1}, {"a": 2}]

    @pytest.mark.parametrize(
        "body",
        [b"{", b"NaN", b"[Infinity]", b"[1e999]", b"9" * 5000, b"[" * 100_000, b"hello"],
        ids=["cut", "nan", "infinity", "1e999", "huge", "deep", "words"],
    )
    def test_what_is_no_json_is_refused(self, body: bytes) -> None:
        with pytest.raises(Malformed, match="JSON"):
            read(body, "application/json")

    def test_an_empty_body_is_refused_in_words(self) -> None:
        with pytest.raises(Malformed, match="the body is empty; send JSON"):
            read(b" \n")


class TestText:
    @pytest.mark.parametrize("content_type", ["text/plain", "text/plain; charset=utf-8", ""])
    def test_plain_text_is_the_text(self, content_type: str) -> None:
        assert read(b"disk full on db-1", content_type).text == "disk full on db-1"

    def test_its_label_counts(self) -> None:
        assert read("Grüße".encode("cp1252"), "text/plain; charset=windows-1252").text == "Grüße"

    def test_what_curl_calls_a_form_may_be_words(self) -> None:
        assert read(b"R&D server: disk 90% full", "application/x-www-form-urlencoded").text == (
            "R&D server: disk 90% full"
        )

    def test_json_that_is_called_text_is_both(self) -> None:  # as Amazon SNS sends it
        body = read(b'{"Type": "Notification"}', "text/plain; charset=UTF-8")
        assert body.payload == {"Type": "Notification"}
        assert body.text == '{"Type": "Notification"}'

    def test_html_is_read_as_people_see_it(self) -> None:
        body = read(b"<html><script>x()</script><p>Disk <b>full</b></p>", "text/html")
        assert body.text == "Disk full"

    @pytest.mark.parametrize("content_type", ["text/xml", "application/soap+xml"])
    def test_xml_is_text(self, content_type: str) -> None:
        assert read(b"<a>5</a>", content_type).text == "<a>5</a>"

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
            (b"\x08\x96\x01", "application/x-protobuf"),
            (b"\x08\x96\x01", ""),
            (b"\x08\x96\x01", "application/octet-stream"),
            (b"a", "application/cloudevents+avro"),
        ],
    )
    def test_other_kinds_are_refused_with_what_is_taken(
        self, body: bytes, content_type: str
    ) -> None:
        with pytest.raises(Unsupported, match="send ") as refused:
            read(body, content_type)
        assert content_type in str(refused.value)
        assert refused.value.http_status == 415


class TestForms:
    FORM = "application/x-www-form-urlencoded"

    def test_the_fields_are_the_payload(self) -> None:
        body = read(b"text=a+b%21&to=x&to=y&empty=&f%C3%BC=%E2%82%AC", self.FORM)
        assert body.payload == {"text": "a b!", "to": ["x", "y"], "empty": "", "fü": "€"}

    def test_githubs_form_is_its_json(self) -> None:
        assert read(b"payload=%7B%22action%22%3A%22opened%22%7D", self.FORM).payload == {
            "action": "opened"
        }

    def test_json_beside_other_fields_is_read_too(self) -> None:
        body = read(b"payload=%7B%22a%22%3A1%7D&token=x", self.FORM)
        assert body.payload == {"payload": {"a": 1}, "token": "x"}

    def test_a_field_that_only_looks_like_json_stays_text(self) -> None:
        assert read(b"payload=%7Bnot+json", self.FORM).payload == {"payload": "{not json"}

    def test_multipart_has_fields_and_files(self) -> None:
        parts = (
            b'--x1\r\nContent-Disposition: form-data; name="from"\r\n\r\nann@example.com\r\n'
            b'--x1\r\nContent-Disposition: form-data; name="text"\r\n\r\ntwo\r\nlines\r\n'
            b'--x1\r\nContent-Disposition: form-data; name="envelope"\r\n'
            b'Content-Type: application/json\r\n\r\n{"to": ["b@example.com"]}\r\n'
            b'--x1\r\nContent-Disposition: form-data; name="attachment1"; filename="a \\"b\\".txt"'
            b"\r\nContent-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe\r\n--x1--\r\n"
        )
        body = read(parts, 'multipart/form-data; boundary="x1"')
        assert body.payload == {
            "from": "ann@example.com",
            "text": "two\r\nlines",
            "envelope": {"to": ["b@example.com"]},
        }
        [file] = body.files
        assert (file.name, file.content_type, file.content) == (
            'a "b".txt',
            "text/plain",
            b"Gr\xfc\xdfe",
        )

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n", "; boundary=x"),
            (b"--x\r\nno header--x--", "; boundary=x"),
            (b"--y--", "; boundary=x"),
            (b"--x--", ""),
            (b"--x\r\n\r\n\r\n" * 2000 + b"--x--", "; boundary=x"),
        ],
        ids=["cut", "headless", "other boundary", "no boundary", "too many"],
    )
    def test_a_broken_multipart_is_refused(self, body: bytes, content_type: str) -> None:
        with pytest.raises(Malformed):
            read(body, "multipart/form-data" + content_type)

    def test_a_form_of_too_many_fields_is_refused(self) -> None:
        with pytest.raises(Malformed, match="1000 fields"):
            read(b"a=&" * 1000 + b"a=", self.FORM)


class TestEncodings:
    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("identity", HI),
            ("gzip", gzip.compress(HI, mtime=0)),
            ("x-gzip", gzip.compress(HI, mtime=0)),
            ("GZIP", gzip.compress(HI, mtime=0)),
            ("gzip", gzip.compress(HI[:5], mtime=0) + gzip.compress(HI[5:], mtime=0)),
            ("gzip", gzip.compress(HI, mtime=0) + b"\0" * 10),
            ("deflate", zlib.compress(HI)),
            ("deflate", raw_deflate(HI)),
            ("deflate, gzip", gzip.compress(zlib.compress(HI), mtime=0)),
            ("", gzip.compress(HI, mtime=0)),  # nothing says so, but its first bytes
        ],
    )
    @pytest.mark.parametrize("content_type", ["application/json", ""])
    def test_what_is_compressed_is_unpacked(
        self, name: str, body: bytes, content_type: str
    ) -> None:
        assert read(body, content_type, content_encoding=name).payload == {"text": "hi"}

    @pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, br", "gzip,gzip,gzip,gzip"])
    def test_other_encodings_are_refused_with_what_is_taken(self, name: str) -> None:
        with pytest.raises(Unsupported, match="gzip, deflate, identity"):
            read(HI, content_encoding=name)

    @pytest.mark.parametrize(
        ("name", "body", "why"),
        [
            ("gzip", HI, "not gzip"),
            ("gzip", gzip.compress(HI, mtime=0)[:-4], "ends too early"),
            ("gzip", gzip.compress(HI, mtime=0) + b"more", "not gzip"),
            ("gzip", b"", "empty"),
            ("deflate", zlib.compress(HI)[:-1], "ends too early"),
            ("deflate", zlib.compress(HI) + b"more", "4 bytes follow"),
            ("deflate", b"\xff\xff", "not deflate"),
        ],
    )
    def test_what_is_damaged_is_refused(self, name: str, body: bytes, why: str) -> None:
        with pytest.raises(Malformed, match=why):
            read(body, content_encoding=name)

    @pytest.mark.parametrize(
        ("name", "bomb"),
        [
            ("gzip", gzip.compress(b"a" * 50_000_000, mtime=0)),
            ("deflate", zlib.compress(b"a" * 50_000_000)),
            ("gzip, gzip", gzip.compress(gzip.compress(b"a" * 50_000_000), mtime=0)),
            ("gzip", gzip.compress(b"a" * 600_000, mtime=0) * 2),
        ],
        ids=["gzip", "deflate", "twice", "members"],
    )
    def test_a_bomb_is_refused(self, name: str, bomb: bytes) -> None:
        with pytest.raises(TooLarge):
            read(bomb, content_encoding=name)


EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A1",
    "source": "/hosts/7",
    "type": "com.example.disk.full",
    "data": {"free": 0},
}


IN_HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "A1",
    "ce_source": "/hosts/7",
    "ce_type": "disk%20full",
    "ce_team": "ops",
}


class TestCloudEvents:
    BATCH = "application/cloudevents-batch+json"
    STRUCTURED = "application/cloudevents+json; charset=UTF-8"

    def test_in_json_all_of_it_is_the_payload(self) -> None:
        body = read(json.dumps(EVENT).encode(), self.STRUCTURED)
        assert body.payload == body.event == EVENT
        assert (body.id, body.text) == ("/hosts/7 A1", None)

    def test_in_headers_the_body_is_the_payload(self) -> None:
        body = read(b'{"free": 0}', "application/json", **IN_HEADERS)
        assert body.payload == {"free": 0}
        assert body.event == {**EVENT, "type": "disk full", "team": "ops"}
        assert body.id == "/hosts/7 A1"
        assert body.text is not None and json.loads(body.text) == body.event

    def test_the_data_may_be_text_or_nothing(self) -> None:
        assert read(b"disk full", "text/plain", **IN_HEADERS).text == "disk full"
        nothing = read(b"", **IN_HEADERS)
        assert nothing.text is not None and "disk full" in nothing.text

    def test_data_with_a_text_says_it(self) -> None:
        event = {**EVENT, "data": {"text": "hi"}}
        assert read(json.dumps(event).encode(), self.STRUCTURED).text == "hi"

    @pytest.mark.parametrize(
        ("content_type", "content", "data"),
        [
            ("application/json", b'{"free": 0}', {"free": 0}),
            ("text/plain", "Grüße".encode(), "Grüße"),
            (None, b"[1]", [1]),
        ],
    )
    def test_data_in_base64_is_read(
        self, content_type: str | None, content: bytes, data: object
    ) -> None:
        event = {**EVENT, "datacontenttype": content_type}
        del event["data"]
        event["data_base64"] = base64.b64encode(content).decode()
        assert read(json.dumps(event).encode(), self.STRUCTURED).payload["data"] == data

    def test_a_batch_is_one_event_each(self) -> None:
        other = {**EVENT, "id": "A2"}
        found = read_body({"content-type": self.BATCH}, json.dumps([EVENT, other]).encode())
        assert [body.id for body in found] == ["/hosts/7 A1", "/hosts/7 A2"]
        assert read_body({"content-type": self.BATCH}, b"[]") == ()

    @pytest.mark.parametrize(
        ("content_type", "body", "why"),
        [
            (STRUCTURED, {"id": "1"}, "needs the attribute specversion"),
            (STRUCTURED, {**EVENT, "id": 5}, "needs the attribute id"),
            (STRUCTURED, [EVENT], "a JSON object"),
            (STRUCTURED, {**EVENT, "data_base64": "!"}, "not base64"),
            (BATCH, EVENT, "a JSON array"),
            (BATCH, [EVENT, {"id": "2"}], "event 2 of 2"),
            (BATCH, [EVENT] * 101, "at most 100"),
        ],
    )
    def test_what_is_no_event_is_refused(self, content_type: str, body: object, why: str) -> None:
        with pytest.raises(Malformed, match=why):
            read_body({"content-type": content_type}, json.dumps(body).encode())

    def test_ids_are_told_apart_and_stay_short(self) -> None:
        def id_of(source: str, id: str) -> str:
            return read(json.dumps({**EVENT, "source": source, "id": id}).encode(), STRUCTURED).id

        STRUCTURED = self.STRUCTURED
        assert id_of("a b", "c") != id_of("a", "b c")
        assert len(id_of("x" * 5000, "\ud800")) == 64
