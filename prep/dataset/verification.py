"""Checking a whole dataset folder: is everything there, unharmed, and what the manifest says?"""

from collections.abc import Iterator

import numpy as np

from prep.dataset.entries import PackingEntry, SplitEntry, TaskEntry
from prep.dataset.length_counts import write_length_counts
from prep.dataset.manifest import Manifest, load_manifest
from prep.dataset.reading import TokenTable, read_split, read_vocabulary
from prep.errors import DataError
from prep.storage import Place, StoragePath, place_of
from prep.tokens.vocabulary import Vocabulary


def find_problems(directory: StoragePath) -> Iterator[str]:
    """Read every record of a dataset folder and compare it with the manifest.

    Args:
        directory: The dataset folder, local or gs://.

    Yields:
        One line per problem; nothing if the folder is sound.

    Raises:
        DataError: If there is no manifest to compare with.
    """
    place = place_of(directory)
    manifest = load_manifest(place)
    yield from _vocabulary_problems(place, manifest)
    for name, reason in manifest.failed.items():
        yield f"task {name!r} is not there, its build failed: {reason}"
    for task in manifest.tasks.values():
        for split in task.splits:
            try:
                table = read_split(place, manifest, task.name, split)
            except DataError as error:
                yield str(error)
                continue
            for problem in _table_problems(table, manifest, task, split):
                yield f"task {task.name!r}, split {split!r}: {problem}"


def _vocabulary_problems(place: Place, manifest: Manifest) -> Iterator[str]:
    try:
        vocabulary = read_vocabulary(place, manifest)
    except DataError as error:
        yield str(error)
        return
    if vocabulary.size != manifest.vocabulary.size:
        yield (
            f"the vocabulary has {vocabulary.size:,} ids, the manifest says"
            f" {manifest.vocabulary.size:,}"
        )


def _table_problems(
    table: TokenTable, manifest: Manifest, task: TaskEntry, split: str
) -> Iterator[str]:
    entry = task.split(split)
    if len(table) != entry.examples:
        yield f"{len(table):,} examples, the manifest says {entry.examples:,}"
    most = manifest.max_input_length * max(task.choices, 1)
    columns = (
        ("inputs", table.inputs, table.input_offsets, most),
        ("targets", table.targets, table.target_offsets, manifest.max_target_length),
    )
    for name, values, offsets, max_length in columns:
        lengths = np.diff(offsets)
        if lengths.size and lengths.min() < 1:
            yield f"{name} of record {int(lengths.argmin()):,} are empty"
        elif (values[offsets[1:] - 1] != Vocabulary.eos_id).any():
            yield f"{name} of some record do not end with EOS"
        if values.size and values.max() >= manifest.vocabulary.size:
            yield f"{name} hold the id {values.max()}, the vocabulary ends before it"
        if lengths.size and lengths.max() > max_length:
            yield f"{name} are up to {lengths.max()} tokens long, the maximum is {max_length}"
    if task.choices:
        yield from _choice_problems(table, manifest, task.choices)
    yield from _length_problems(table, entry, task.choices)
    if table.labels.size and not -1 <= table.labels.min() <= table.labels.max() < max(
        len(task.label_words), 1
    ):
        yield f"labels are outside the {len(task.label_words)} label words"
    yield from _row_number_problems(table, entry)
    if table.pack_offsets is not None and entry.packing is not None:
        yield from _packing_problems(table, entry.packing)


def _choice_problems(table: TokenTable, manifest: Manifest, choices: int) -> Iterator[str]:
    try:
        longest = table.text_lengths(choices).max(initial=0)
    except DataError as error:
        yield str(error)
        return
    if longest > manifest.max_input_length:
        yield (
            f"texts of choices are up to {longest} tokens long, the maximum is"
            f" {manifest.max_input_length}"
        )


def _length_problems(table: TokenTable, entry: SplitEntry, choices: int) -> Iterator[str]:
    """Compare lengths with those that the manifest counts, where it does."""
    for name, said, count in (
        ("inputs", entry.input_lengths, lambda: table.text_lengths(choices)),
        ("targets", entry.target_lengths, lambda: np.diff(table.target_offsets)),
    ):
        try:
            found = dict(zip(*np.unique(count(), return_counts=True), strict=True))
        except DataError:
            return  # told already
        if said and write_length_counts(found) != said:
            yield f"{name} have other lengths than the manifest says"


def _row_number_problems(table: TokenTable, entry: SplitEntry) -> Iterator[str]:
    # The examples that one row became share its number; packing changes the order within a shard.
    steps = np.diff(table.examples if entry.packing is None else np.sort(table.examples))
    if (steps < (0 if entry.expanded else 1)).any():
        yield "row numbers do not rise" if entry.packing is None else "a row number comes twice"


def _packing_problems(table: TokenTable, packing: PackingEntry) -> Iterator[str]:
    if table.rows != packing.rows:
        yield f"{table.rows:,} packed rows, the manifest says {packing.rows:,}"
    for name, offsets, length in (
        ("inputs", table.input_offsets, packing.input_length),
        ("targets", table.target_offsets, packing.target_length),
    ):
        longest = np.diff(offsets[table.pack_offsets]).max(initial=0)
        if longest > length:
            yield f"{name} of a packed row have {longest} tokens, the row holds {length}"
