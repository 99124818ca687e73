"""How much quoted history stays in real replies: `python -m tests.benchmarks.quotation FOLDER`.

FOLDER holds plain texts of mails (`*.txt`), as public collections of reply parsers do. Each is read
as an answer to a mail of ours. EXPECTED, a JSON object of file names without `.txt` and what their
writers wrote, limits the count to these files; without it, what is kept and cut of every file is
shown.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from ponderd.channels.charset import decode
from ponderd.channels.mail.text.quotation import Reading, Thread, read_plain

SIGNATURE = 12
"""Words below a reply that a signature may have. More are taken for history."""


@dataclass(frozen=True)
class Measured:
    name: str
    reading: Reading
    words: str
    """What its writer wrote. Empty: nobody said."""

    @property
    def lost(self) -> bool:
        """Whether any of the writer's words were cut."""
        return " ".join(self.words.split()) not in " ".join(self.reading.text.split())

    @property
    def left(self) -> str:
        """What is kept besides the writer's words, if it is more than a signature."""
        words, kept = " ".join(self.words.split()), " ".join(self.reading.text.split())
        rest = kept.replace(words, "", 1).strip()
        return rest if len(rest.split()) > SIGNATURE else ""


def measured(path: Path, words: str = "") -> Measured:
    thread = Thread(is_ours=lambda _: False, answers_us=True, knows_us=True)
    text = decode(path.read_bytes()).replace("\r\n", "\n")
    return Measured(path.stem, read_plain(text, thread), words)


def main(folder: Path, expected: Path | None) -> None:
    if expected is None:
        for path in sorted(folder.glob("*.txt")):
            found = measured(path).reading
            print(f"== {path.name}\n-- kept\n{found.text}\n-- cut\n{found.cut}\n")
        return
    wanted: dict[str, str] = json.loads(expected.read_text())
    replies = [measured(folder / f"{name}.txt", words) for name, words in sorted(wanted.items())]
    for reply in replies:
        if reply.lost or reply.left:
            print(f"{reply.name}: {'words cut' if reply.lost else 'left: ' + reply.left[:120]}")
    left = sum(bool(reply.left) and not reply.lost for reply in replies)
    lost = sum(reply.lost for reply in replies)
    print(f"{len(replies)} replies: history left in {left}, words of the writer cut in {lost}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("expected", type=Path, nargs="?")
    arguments = parser.parse_args()
    main(arguments.folder, arguments.expected)
