"""Public sets of outcomes as tables for `ponderd thinking evaluate`.

    python -m tests.benchmarks.tables misguided_attention DIRECTORY OUT [--model NAME]
    python -m tests.benchmarks.tables routellm FILE.jsonl OUT

The first (cpldcpu/MisguidedAttention) holds prompts.jsonl and outcomes.csv: trick questions, asked
of several models with thinking and without. The second (lm-sys/RouteLLM) holds one answer of a weak
and of a strong model to each question: a stand-in for two arms of one model.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

from ponderd.workers.evaluation.from_table.table import COLUMNS, Row

ARMS = {"nothink": "none", "think": "long", "think4k": "long", "high": "high"}
"""Only one model has been asked with `high`; it is left out where several are put together."""

DEARER = 10
"""How many times as dear a token of RouteLLM's strong model is taken to be."""

CHARS_PER_TOKEN = 4


def misguided_attention(directory: Path, model: str | None) -> Iterator[Row]:
    """Of one model, or of all: then a task is a question asked of a model."""
    with (directory / "prompts.jsonl").open(encoding="utf-8") as lines:
        prompts = {row["prompt_id"]: row["prompt"] for row in map(json.loads, lines)}
    with (directory / "outcomes.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            prompt = row["prompt_id"]
            if model is None and row["mode"] != "high":
                task, group = f"{row['model']}/{prompt}", row["model"]
            elif row["model"] == model:
                task, group = prompt, prompt.split("_")[0]
            else:
                continue
            tokens = float(row["est_out_tokens"]) + float(row["est_think_tokens"])
            passed = min(1.0, float(row["score"]))
            text = {"prompt": prompts[prompt]}
            yield Row(task, group, ARMS[row["mode"]], row["run"], passed, tokens, text)


def routellm(file: Path) -> Iterator[Row]:
    """Where the length of the answers is not told (MMLU: a letter), each is one token."""
    with file.open(encoding="utf-8") as lines:
        for k, row in enumerate(map(json.loads, lines)):
            for arm, price in (("weak", 1), ("strong", DEARER)):
                tokens = row.get(f"{arm}_chars", CHARS_PER_TOKEN) / CHARS_PER_TOKEN * price
                subject = row.get("subject", file.stem)
                text = {"prompt": row["prompt"]}
                yield Row(str(k), subject, arm, "0", float(row[arm]), tokens, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("misguided_attention", "routellm"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", help="only this one, with all its modes")
    options = parser.parse_args()
    if options.what == "routellm":
        rows = routellm(options.source)
    else:
        rows = misguided_attention(options.source, options.model)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*COLUMNS, "prompt"))
        writer.writeheader()
        for row in rows:
            known = {name: getattr(row, name) for name in COLUMNS}
            writer.writerow(known | dict(row.features))


if __name__ == "__main__":
    main()
