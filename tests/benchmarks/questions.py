"""Question sets for `ponderd thinking evaluate --live`, made of GSM8K and of everyday questions.

    python -m tests.benchmarks.questions --gsm8k test.jsonl --hard 100 --easy 100 > even.jsonl

GSM8K (Cobbe et al., MIT licence) is not part of this repository: name its `test.jsonl`. The
everyday questions are tests/data/everyday.jsonl; of each of their sets the first ones are taken.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVERYDAY = Path(__file__).parents[1] / "data" / "everyday.jsonl"


def gsm8k(path: Path, count: int) -> Iterator[dict[str, Any]]:
    """The first questions of the file."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number == count:
                return
            row = json.loads(line)
            answer = row["answer"].rpartition("####")[2].strip().replace(",", "")
            yield {
                "task": f"gsm8k-{number + 1:03}",
                "set": "gsm8k",
                "question": row["question"],
                "check": "number",
                "answer": float(answer),
            }


def everyday(count: int) -> Iterator[dict[str, Any]]:
    """So many questions, of every set as many."""
    rows = [json.loads(line) for line in EVERYDAY.read_text("utf-8").splitlines()]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    for name in sets:
        yield from [row for row in rows if row["set"] == name][: count // len(sets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gsm8k", type=Path, required=True, help="its test.jsonl")
    parser.add_argument("--hard", type=int, default=100, help="questions of GSM8K")
    parser.add_argument("--easy", type=int, default=100, help="everyday questions")
    options = parser.parse_args()
    for row in (*gsm8k(options.gsm8k, options.hard), *everyday(options.easy)):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
