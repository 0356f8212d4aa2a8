"""Preparing data side by side with the peers: CPU time, wall time and whether the ids agree.

    python -m benchmarks.prep_peers [--data-dir ../shared/data] [--turns 3]
        [--python huggingface=.venv-huggingface/bin/python] [--python seqio=.venv-seqio/bin/python]

`make benchmark-peers` makes the two environments and runs this. All take the same worded texts
(short: sst2, long: boolq; without the real files, the embedded SCAN task) to TFRecord files, each
in a process of its own, in turns; medians are printed. `prep` and `row_loop` read JSON lines, as
all of them do. Contestants without an environment are left out, and said to be.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.prep_contestants import CONTESTANTS
from benchmarks.prep_speed import EMBEDDED_CASES, REAL_CASES, find_split, train_embedded_vocabulary
from prep.sources.blocks import parse_block
from prep.sources.row import RowError
from prep.tasks.examples import row_to_examples

LIMIT = "sentencepiece"
NEED_THEIR_OWN = ("huggingface", "seqio")  # whose packages are not those of this project
ROUNDS = 3  # per turn


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--data-dir", type=Path, default=root / "shared" / "data")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    options = parser.parse_args()
    pythons = dict.fromkeys(CONTESTANTS, sys.executable)
    for name in NEED_THEIR_OWN:
        pythons.pop(name)
    pythons |= dict(pair.split("=", 1) for pair in options.python)
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = options.data_dir / "t5_vocab" / "spiece.model"
        cases = REAL_CASES
        if not vocabulary.is_file():
            vocabulary, cases = train_embedded_vocabulary(Path(folder)), EMBEDDED_CASES
        for case, task, split in cases:
            examples = Path(folder) / f"{case}.jsonl"
            count = write_texts(examples, task, split, options.data_dir)
            figures = take_turns(pythons, examples, vocabulary, options.turns)
            print_table(f"{case} ({task}, {count:,} examples)", count, figures)
    for name in sorted(set(CONTESTANTS) - set(pythons)):
        print(f"left out: {name} (give its environment with --python {name}=…)")


def write_texts(path: Path, task: str, split: str, data_dir: Path) -> int:
    """Words the examples of a split into a file of JSON lines; returns how many."""
    plan = find_split(task, split, data_dir)
    make = row_to_examples(plan.task, split)
    rows = (row for block in plan.open_blocks() for row in parse_block(block))
    made = [example for row in rows if not isinstance(row, RowError) for example in make(row)]
    texts = ({"inputs": example.inputs, "targets": example.targets} for example in made)
    lines = (json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
    path.write_text("".join(lines), encoding="utf-8")
    return len(made)


def take_turns(
    pythons: dict[str, str], examples: Path, vocabulary: Path, turns: int
) -> dict[str, dict[str, list]]:
    """Runs every contestant a few times, so that the machine's changes of mood hit all alike."""
    figures: dict[str, dict[str, list]] = {
        name: {"cpu": [], "wall": [], "checksum": []} for name in pythons
    }
    for _ in range(turns):
        for name, python in pythons.items():
            for line in run(name, python, examples, vocabulary):
                for key, value in json.loads(line).items():
                    figures[name][key].append(value)
    return figures


def run(name: str, python: str, examples: Path, vocabulary: Path) -> list[str]:
    script = Path(__file__).with_name("prep_contestants.py")
    out = examples.with_name(f"{name}.tfrecord")
    command = [python, str(script), name, str(examples), str(vocabulary), str(out), str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.splitlines()


def print_table(title: str, count: int, figures: dict[str, dict[str, list]]) -> None:
    limit = statistics.median(figures[LIMIT]["cpu"])
    ours = statistics.median(figures["prep"]["cpu"])
    print(f"\n{title}")
    heads = ("CPU us/example", "over the limit", "over prep", "examples/s", "ids")
    print(f"{'':14} " + " ".join(f"{head:>14}" for head in heads))
    for name, measured in figures.items():
        cpu, wall = (statistics.median(measured[key]) for key in ("cpu", "wall"))
        agrees = measured["checksum"][:1] == figures["prep"]["checksum"][:1]
        ids = "" if not measured["checksum"] else "the same" if agrees else "differ"
        print(
            f"{name:14} {cpu / count * 1e6:14.1f} {cpu / limit:14.2f} {cpu / ours:14.2f}"
            f" {count / wall:14,.0f} {ids:>14}"
        )


if __name__ == "__main__":
    main()
