"""Every kind of file that Slack tells of."""

import pytest

from ponderd.channels.slack.reading.files import SlackFile, read_file, read_files
from tests.channels.slack.reading.messages import Json

PDF: Json = {
    "id": "F1",
    "name": "a.pdf",
    "title": "A plan",
    "mimetype": "application/pdf",
    "filetype": "pdf",
    "mode": "hosted",
    "size": 5,
    "url_private": "https://files.slack.test/a.pdf",
    "url_private_download": "https://files.slack.test/download/a.pdf",
}
MAIL: Json = {
    "id": "F1",
    "mode": "email",
    "title": "Invoice",
    "name": "Invoice",
    "mimetype": "text/html",
    "subject": "Invoice",
    "from": [{"address": "ann@a.test", "name": "Ann", "original": "Ann <ann@a.test>"}],
    "to": [{"address": "b@a.test", "name": "Bob"}, {"address": "c@a.test"}],
    "headers": {"date": "Sun, 1 Mar 2026 09:00:00 +0000", "subject": "Invoice"},
    "plain_text": "Please pay.",
}

FILES: list[tuple[object, Json]] = [
    (PDF, {"name": "a.pdf", "content_type": "application/pdf", "size": 5, "url": "https://files.slack.test/download/a.pdf"}),
    ({**PDF, "url_private_download": None}, {"url": "https://files.slack.test/a.pdf"}),
    ({**PDF, "url_private_download": "file:///etc", "url_private": 5}, {"url": ""}),
    ({**PDF, "name": "", "title": "A plan"}, {"name": "A plan"}),
    ({**PDF, "name": None, "title": None}, {"name": "F1"}),
    ({**PDF, "name": "a\nb\x00"}, {"name": "a b"}),
    ({**PDF, "size": -1}, {"size": 0}),
    ({**PDF, "size": "5"}, {"size": 0}),
    ({**PDF, "size": True}, {"size": 0}),
    ({**PDF, "size": 10**30}, {"size": 0}),
    ({**PDF, "mimetype": None}, {"content_type": ""}),
    ({"id": "F1", "mode": "file_access", "file_access": "check_file_info"}, {"name": "F1", "url": "", "problem": ""}),
    ({"id": "F1"}, {"name": "F1"}),
    ("F1", {"id": "F1", "name": "F1"}),
    ({}, {"id": "", "name": "unnamed file"}),
    ({"name": "trace.txt", "mode": "snippet", "preview": "KeyError: 'tenant'"}, {"preview": "KeyError: 'tenant'"}),
    ({"mode": "snippet", "preview": "  a\n    b\n", "preview_is_truncated": True}, {"preview": "  a\n    b\n[only the beginning]"}),
    ({"mode": "post", "title": "Notes", "preview_plain_text": "plain", "preview": "<b>plain</b>"}, {"name": "Notes", "preview": "plain"}),
    ({"id": "F1", "mode": "quip", "title": "Canvas", "url_private": "https://s.test/c"}, {"name": "Canvas", "url": "https://s.test/c"}),
    (MAIL, {"name": "Invoice", "preview": "From: Ann <ann@a.test>\nTo: Bob <b@a.test>, c@a.test\nSubject: Invoice\nDate: Sun, 1 Mar 2026 09:00:00 +0000\nPlease pay."}),
    ({"id": "F1", "subject": "Bill", "attachments": [{"filename": "a.pdf"}, {"filename": "b.csv"}]}, {"preview": "Subject: Bill\nAttachments: a.pdf, b.csv"}),
    ({"id": "F1", "subject": "Only this"}, {"name": "Only this", "preview": "Subject: Only this"}),
    ({"id": "F1", "mode": "external", "external_type": "gdrive", "title": "Plan", "url_private": "https://docs.test/1"}, {"url": "", "problem": "it is kept outside Slack, at https://docs.test/1"}),
    ({"id": "F1", "is_external": True, "external_url": "https://docs.test/1"}, {"problem": "it is kept outside Slack, at https://docs.test/1"}),
    ({"id": "F1", "mode": "external"}, {"problem": "it is kept outside Slack"}),
    ({"id": "F1", "mode": "tombstone"}, {"name": "F1", "problem": "it was deleted"}),
    ({**PDF, "mode": "hidden_by_limit"}, {"name": "a.pdf", "url": "", "problem": "the plan of the workspace hides files as old as this one"}),
    ({"id": "F1", "file_access": "access_denied"}, {"problem": "Slack denies access to it"}),
    ({"id": "F1", "file_access": "file_not_found"}, {"problem": "Slack does not find it"}),
    ({**PDF, "file_access": "visible"}, {"problem": ""}),
    ({"id": "F1", "name": "clip.m4a", "transcription": {"status": "complete", "preview": {"content": "Hello there", "has_more": True}}}, {"preview": "Hello there\n[only the beginning]"}),
    ({"id": "F1", "transcription": {"status": "processing"}}, {"preview": ""}),
    ({**PDF, "mimetype": "image/png", "alt_txt": "a chart"}, {"preview": "Description: a chart"}),
    ({"id": ["x"], "name": 5, "preview": {"a": 1}, "from": "x", "headers": 3, "mode": []}, {"id": "", "name": "5", "preview": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), FILES)
def test_what_is_known_of_a_file(entry: object, expected: Json) -> None:
    file = read_file(entry)
    assert isinstance(file, SlackFile)
    assert {name: getattr(file, name) for name in expected} == expected
    assert file.name


@pytest.mark.parametrize("entry", [None, "", " ", 5, True, [], [{"id": "F1"}]])
def test_what_is_no_file(entry: object) -> None:
    assert read_file(entry) is None


def test_each_file_counts_once_but_files_without_id_all_count() -> None:
    assert [file.id for file in read_files({"files": [PDF, PDF, {"id": "F2"}]})] == ["F1", "F2"]
    assert len(read_files({"files": [{"name": "a"}, {"name": "a"}, None]})) == 2


@pytest.mark.parametrize("files", [None, 5, "F1", {"id": "F1"}])
def test_what_is_no_list_of_files(files: object) -> None:
    assert read_files({"files": files}) == []
