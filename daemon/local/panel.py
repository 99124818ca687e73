"""What `ponderd up` prints when everything is ready. Pure: facts in, text out."""

from __future__ import annotations

import shlex
from pathlib import Path

from pydantic import computed_field
from rich.text import Text

from ponderd.channels.message import Frozen

QUESTION = "What is 17 * 23?"


class Panel(Frozen):
    """The facts about a running ponderd."""

    http_url: str
    smtp_host: str
    smtp_port: int
    mail_domain: str
    mail_goes_to: str
    """The relay, or the outbox folder."""
    state: str
    """What serves the state, and where."""
    model: str
    """What serves the model, and where."""
    slack: bool
    data_dir: Path
    logs: Path
    secrets: Path
    authorization: Path
    """The file with the header that `curl -H @FILE` reads."""
    command: str
    """How a shell calls ponderd, quoted."""
    environment: dict[str, str]
    """The settings that differ from the defaults. Without them, a command in another terminal would
    not find this ponderd."""
    seconds: float
    """How long the start took."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def try_lines(self) -> tuple[str, ...]:
        """Shell commands, each complete in itself."""
        settings = "".join(
            f"{name}={shlex.quote(value)} " for name, value in self.environment.items()
        )
        ponderd = settings + self.command
        you, assistant = f"you@{self.mail_domain}", f"assistant@{self.mail_domain}"
        # printf turns \n into line ends, and curl's --crlf makes them those of SMTP.
        mail = f"From: {you}\\nTo: {assistant}\\nSubject: Hello\\n\\n{QUESTION}\\n"
        return (
            f"{ponderd} chat",
            f"curl -sS {self.http_url}/webhooks/default"
            f" -H {shlex.quote('@' + str(self.authorization))}"
            f" -H 'Content-Type: application/json' -d '{{\"text\": \"{QUESTION}\"}}'",
            f"printf '{mail}' | curl -sS smtp://{self.smtp_host}:{self.smtp_port}"
            f" --mail-from {you} --mail-rcpt {assistant} --crlf --upload-file -",
            f'{ponderd} launch assistant "{QUESTION}"',
        )

    def render(self) -> Text:
        text = Text.assemble(
            ("ponderd is ready", "bold green"), f" after {self.seconds:.1f} s. Ctrl-C stops it.\n\n"
        )
        facts = {
            "HTTP": f"{self.http_url} (API at /docs)",
            "mail": f"smtp://{self.smtp_host}:{self.smtp_port} for <agent>@{self.mail_domain}",
            "answers": f"outgoing mail goes to {self.mail_goes_to}",
            "Slack": "on" if self.slack else "off (PONDERD_SLACK_BOT_TOKEN turns it on)",
            "model": self.model,
            "state": self.state,
            "secrets": str(self.secrets),
            "logs": str(self.logs),
        }
        for name, fact in facts.items():
            text.append(f"  {name:<8}", "bold").append(f"{fact}\n")
        text.append("\nTry, in another terminal in this folder:\n\n", "bold")
        for line in self.try_lines:
            text.append(f"  {line}\n", "cyan")
        return text
