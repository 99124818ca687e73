"""Draw docs/images/answer-mail.png: `python -m tests.pictures.answer_mail`.

An answer as `compose` writes it, opened again as a mail program does: its HTML in Chromium, and its
plain text beside it. Only the frames around both are made up.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from email.message import EmailMessage
from pathlib import Path

from ponderd.channels.mail.out.compose import compose
from ponderd.channels.message import Address, Reply
from tests.channels.mail.mails import DATE, NAMES, opened, page, plain

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "answer-mail.png"
WIDTH, HEIGHT = 1240, 641

ANSWER = """\
Hello Ann,

the backup of **db-2** was late on three nights. Each time another job held the disk:

| night | began | minutes late | job |
|---|---|--:|---|
| 4 May | 02:31 | 31 | `reindex` |
| 9 May | 02:47 | 47 | `reindex` |
| 11 May | 02:12 | 12 | `vacuum` |

Two ways out:

1. Begin at 04:00, when both jobs are done.
2. Give the backup a disk of its own, as in [the runbook](https://wiki.example.com/runbook/backup).

The first needs only this line:

```
OnCalendar=*-*-* 04:00:00
```

Shall I change it?
"""


def answer() -> EmailMessage:
    reply = Reply(
        key="0c-mha1v2k8-9f3c1a2b7d34:7",
        run_id="0c-mha1v2k8-9f3c1a2b7d34",
        agent="assistant",
        conversation="<m1@example.com>",
        kind="answer",
        text=ANSWER,
        to=Address(
            channel="email",
            to="ann@example.com",
            thread="<m1@example.com>",
            headers={"subject": "Late backups", "from": "assistant@agents.example.com"},
        ),
    )
    message = compose(
        reply,
        names=NAMES,
        date=DATE,
        from_name="{agent} at Example",
        signature="An agent of the operations team. Ask ops@example.com about it.",
    )
    return opened(message.as_bytes())


STYLE = """
  body { margin: 0; padding: 20px; background: #fff; display: flex; gap: 20px }
  section { border: 1px solid #d0d0d4; border-radius: 8px; overflow: hidden; flex: 1 1 50% }
  header { padding: 14px 20px; border-bottom: 1px solid #e4e4e6; background: #f7f7f8;
           font: 13px/1.6 Arial, sans-serif; color: #444 }
  header b { font-size: 15px; color: #111 }
  main { padding: 18px 20px }
  main > pre.plain { margin: 0; font: 12.5px/1.5 Menlo, Consolas, "DejaVu Sans Mono", monospace;
                     white-space: pre-wrap }
"""


def draw(message: EmailMessage) -> str:
    """Both bodies beside each other, as one page."""
    found = re.search(r"<body>(.*)</body>", page(message), re.DOTALL)
    assert found is not None
    shown = found[1], f'<pre class="plain">{html.escape(plain(message))}</pre>'
    head = (
        f"<b>{html.escape(str(message['Subject']))}</b><br>From: "
        f"{html.escape(str(message['From']))}<br>To: {html.escape(str(message['To']))}"
    )
    panels = "".join(
        f"<section><header>{head}</header><main>{body}</main></section>" for body in shown
    )
    return f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style>{panels}'


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        source, picture = Path(name, "mail.html"), Path(name, "mail.png")
        source.write_text(draw(answer()), encoding="utf-8")
        subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--disable-dev-shm-usage", f"--user-data-dir={name}/profile"),
                *(f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", source.as_uri()),
            ],
            check=True,
            capture_output=True,
        )
        shutil.copyfile(picture, PICTURE)
    print(f"{PICTURE.relative_to(ROOT)} is drawn")


if __name__ == "__main__":
    main()
