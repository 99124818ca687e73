import shlex
from pathlib import Path
from typing import Any

from rich.console import Console

from ponderd.daemon.local.panel import Panel

DATA = Path("/home/ada/my data")


def panel(**changes: Any) -> Panel:
    facts = {
        "http_url": "http://127.0.0.1:8700",
        "smtp_host": "127.0.0.1",
        "smtp_port": 8725,
        "mail_domain": "ponderd.localhost",
        "mail_goes_to": str(DATA / "outbox"),
        "state": "embedded",
        "model": "qwen",
        "slack": False,
        "data_dir": DATA,
        "logs": DATA / "logs",
        "secrets": DATA / "secrets.json",
        "authorization": DATA / "authorization.header",
        "command": ".venv/bin/ponderd",
        "environment": {},
        "seconds": 4.2,
    }
    return Panel.model_validate(facts | changes)


def test_it_says_what_listens_where_and_where_things_are() -> None:
    text = panel().render().plain
    for fact in ("http://127.0.0.1:8700", "smtp://127.0.0.1:8725", "my data/outbox", "qwen"):
        assert fact in text
    for fact in ("my data/logs", "secrets.json", "after 4.2 s"):
        assert fact in text


def test_slack_is_off_until_there_is_a_token() -> None:
    assert "off (PONDERD_SLACK_BOT_TOKEN turns it on)" in panel().render().plain
    assert "PONDERD_SLACK_BOT_TOKEN" not in panel(slack=True).render().plain


def test_there_are_four_lines_to_try_and_a_shell_takes_each_as_meant() -> None:
    chat, webhook, mail, launch = (shlex.split(line) for line in panel().try_lines)
    assert chat == [".venv/bin/ponderd", "chat"]
    assert webhook[:3] == ["curl", "-sS", "http://127.0.0.1:8700/webhooks/default"]
    assert "@/home/ada/my data/authorization.header" in webhook
    assert webhook[-1] == '{"text": "What is 17 * 23?"}'
    assert mail[mail.index("--mail-rcpt") + 1] == "assistant@ponderd.localhost"
    assert launch == [".venv/bin/ponderd", "launch", "assistant", "What is 17 * 23?"]


def test_settings_that_are_not_the_defaults_come_with_the_commands() -> None:
    chat = panel(environment={"PONDERD_DATA_DIR": "/tmp/a b"}).try_lines[0]
    assert chat == "PONDERD_DATA_DIR='/tmp/a b' .venv/bin/ponderd chat"


def test_no_line_is_broken_and_none_has_colours_outside_a_terminal() -> None:
    console = Console(width=20, no_color=False)
    with console.capture() as captured:
        console.print(panel().render(), soft_wrap=True)
    assert panel().try_lines[2] in captured.get()
    assert "\x1b" not in captured.get()


def test_no_secret_is_in_it() -> None:
    assert "Bearer" not in panel().render().plain + panel().model_dump_json()
