"""What can be said of a dataset folder after reading it once: lengths, examples, mixture."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from prep.dataset.entries import SplitEntry, TaskEntry
from prep.dataset.manifest import REJECTED_FILE, Manifest, load_manifest
from prep.dataset.mixing import batch_probabilities, expected_epochs, task_probabilities
from prep.dataset.reading import TokenTable, read_split, read_vocabulary
from prep.errors import UsageError
from prep.storage import Place, StoragePath, place_of
from prep.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Mixture:
    """How the tasks shall be mixed.

    Attributes:
        temperature: A task is drawn in proportion to min(size, cap)^(1 / temperature).
        cap: The largest size a task counts with, in examples; None for no cap.
        steps: Batches of the training run; None if that is not known.
        batch_size: Examples per batch, or rows of them where they are packed.
    """

    temperature: float = 1.0
    cap: int | None = None
    steps: int | None = None
    batch_size: int = 32

    def __post_init__(self) -> None:
        least = {"cap": self.cap, "steps": self.steps, "batch_size": self.batch_size}
        for name, value in least.items():
            if value is not None and value < 1:
                raise UsageError(f"`{name}` is {value}; it must be >= 1")
        if not self.temperature > 0:
            raise UsageError(f"`temperature` is {self.temperature}; it must be > 0")


@dataclass(frozen=True)
class TaskShare:
    """A task's part in a mixture.

    Attributes:
        task: Its name.
        size: Training examples.
        probability: That an example is of this task; of a batch too, unless rows are packed.
        epochs: Times that its examples are seen, on average; None if the steps are not known.
    """

    task: str
    size: int
    probability: float
    epochs: float | None


@dataclass(frozen=True)
class DecodedExample:
    """An example as text.

    Attributes:
        number: Its row number in the split.
        inputs: What the encoder reads; separators inside are shown.
        targets: What the decoder shall write.
    """

    number: int
    inputs: str
    targets: str


@dataclass(frozen=True)
class SplitSurvey:
    """One split.

    Attributes:
        name: Its name.
        entry: What the manifest says.
        input_lengths: int64 [longest input + 1], examples by tokens of their inputs; of a task
            with choices, the texts of all choices.
        target_lengths: int64 [longest target + 1], examples by tokens of their targets.
        examples: The first ones, decoded.
        rejected: The first rejected rows, as `rejected.jsonl` has them.
    """

    name: str
    entry: SplitEntry
    input_lengths: np.ndarray
    target_lengths: np.ndarray
    examples: tuple[DecodedExample, ...]
    rejected: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class TaskSurvey:
    """One task, with all its splits.

    Attributes:
        entry: What the manifest says.
        splits: Its splits, in the manifest's order.
    """

    entry: TaskEntry
    splits: tuple[SplitSurvey, ...]


@dataclass(frozen=True)
class Survey:
    """A dataset folder.

    Attributes:
        directory: Where it is.
        manifest: Its manifest.
        tasks: What was asked for.
        mixture: How its tasks would be mixed.
        shares: The part of every task in that, whether it was asked for or not.
    """

    directory: str
    manifest: Manifest
    tasks: tuple[TaskSurvey, ...]
    mixture: Mixture
    shares: tuple[TaskShare, ...]


def survey_dataset(
    directory: StoragePath,
    task: str | None = None,
    records: int = 1,
    mixture: Mixture | None = None,
) -> Survey:
    """Read a dataset folder once.

    Args:
        directory: The dataset folder, local or gs://.
        task: Only this task; None for all.
        records: Examples to decode, and rejected rows to keep, of each split.
        mixture: How its tasks would be mixed; None: by size.

    Returns:
        What is in it.

    Raises:
        UsageError: If there is no such task.
        DataError: If the folder or a shard is not sound.
    """
    place = place_of(directory)
    manifest = load_manifest(place)
    entries = [manifest.task(task)] if task else list(manifest.tasks.values())
    vocabulary = read_vocabulary(place, manifest)
    mixture = mixture or Mixture()
    splits = [(entry, split) for entry in entries for split in entry.splits]
    found: dict[str, list[SplitSurvey]] = {entry.name: [] for entry in entries}
    for entry, split in tqdm(splits, desc="reading", unit=" splits", disable=None, leave=False):
        table = read_split(place, manifest, entry.name, split)
        rejected = _read_rejected(place, entry, split, records)
        found[entry.name].append(
            SplitSurvey(
                split,
                entry.split(split),
                np.bincount(table.text_lengths(entry.choices)),
                np.bincount(np.diff(table.target_offsets)),
                tuple(_decode(vocabulary, table, row) for row in range(min(records, len(table)))),
                rejected,
            )
        )
    return Survey(
        str(directory),
        manifest,
        tuple(TaskSurvey(entry, tuple(found[entry.name])) for entry in entries),
        mixture,
        _find_shares(list(manifest.tasks.values()), mixture),
    )


def percentile_length(counts: np.ndarray, percent: float) -> int:
    """Find the length that so many of the examples do not exceed.

    Args:
        counts: int64 [longest + 1], examples by length.
        percent: From 0 to 100.

    Returns:
        Tokens.
    """
    needed = np.ceil(counts.sum() * percent / 100)
    return int(np.searchsorted(np.cumsum(counts), max(needed, 1)))


def _find_shares(entries: Sequence[TaskEntry], mixture: Mixture) -> tuple[TaskShare, ...]:
    if not entries:
        return ()
    sizes = [entry.mixture_size for entry in entries]
    probabilities = task_probabilities(sizes, mixture.temperature, mixture.cap)
    epochs: list[float | None] = [None] * len(sizes)
    if mixture.steps is not None:
        rows = list(map(_training_rows, entries))
        per_batch = batch_probabilities(probabilities, sizes, rows)
        seen = expected_epochs(rows, per_batch, mixture.steps, mixture.batch_size)
        epochs = list(map(float, seen))
    return tuple(
        TaskShare(entry.name, size, float(probability), seen_times)
        for entry, size, probability, seen_times in zip(
            entries, sizes, probabilities, epochs, strict=True
        )
    )


def _training_rows(entry: TaskEntry) -> int:
    training = entry.splits.get("train") or next(iter(entry.splits.values()))
    return training.records


def _decode(vocabulary: Vocabulary, table: TokenTable, row: int) -> DecodedExample:
    return DecodedExample(
        int(table.examples[row]),
        vocabulary.decode_texts(table.input_ids(row)),
        vocabulary.decode(table.target_ids(row)),
    )


def _read_rejected(
    place: Place, entry: TaskEntry, split: str, count: int
) -> tuple[dict[str, Any], ...]:
    if not (entry.split(split).rejected and count):
        return ()
    file = place / f"{entry.name}/{REJECTED_FILE}"
    if not file.exists():
        return ()
    lines = file.read_bytes().splitlines()  # of bytes: a text may hold other ends of lines
    rows = [row for row in map(json.loads, lines) if row["split"] == split]
    return tuple(rows[:count])
