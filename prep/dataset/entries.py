"""What `dataset.json` says of a vocabulary, a task, its splits and their shards."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prep.errors import UsageError, nearest

ITSELF = "itself"  # in place of another split's name


@dataclass(frozen=True)
class VocabularyEntry:
    """The vocabulary the records were written with.

    Attributes:
        file: Name inside the dataset folder.
        sha256: Of the model file.
        size: Token ids, sentinels included.
        sentinels: How many of them are `<extra_id_n>`.
        blank_after_sentinels: Whether what follows a sentinel always begins with a "▁".
    """

    file: str
    sha256: str
    size: int
    sentinels: int
    blank_after_sentinels: bool = True


@dataclass(frozen=True)
class PackingEntry:
    """How records that hold several examples are filled: of one split, or of all that are packed.

    Attributes:
        input_length: Input positions of a row; a record becomes one row of a batch.
        target_length: Target positions that the fullest row needs, rounded up, or what was asked.
        asked_target_length: What was asked for; 0: as few as cost no row.
        rows: Records.
        input_share: Of the input positions, how many hold a token, from 0 to 1.
        target_share: Of the target positions.
        unpacked_input_share: The same with one example per row, at the shortest length that cuts
            none of them.
        unpacked_target_share: The same of target positions.
    """

    input_length: int
    target_length: int
    asked_target_length: int
    rows: int = 0
    input_share: float = 0.0
    target_share: float = 0.0
    unpacked_input_share: float = 0.0
    unpacked_target_share: float = 0.0


@dataclass(frozen=True)
class ShardEntry:
    """One TFRecord file.

    Attributes:
        file: Name relative to the dataset folder, with forward slashes.
        records: Records in it; where they are packed, rows of several examples.
        bytes: Size of the file.
        crc32c: Checksum of the whole file, eight hexadecimal digits.
        input_tokens: Sum over records, EOS included.
        target_tokens: Sum over records, EOS included.
    """

    file: str
    records: int
    bytes: int
    crc32c: str
    input_tokens: int
    target_tokens: int


@dataclass(frozen=True)
class SplitEntry:
    """One split of a task.

    Attributes:
        examples: Over all shards, one per record unless they are packed.
        shards: In reading order.
        truncated: Examples whose inputs or targets were cut to the maximum length.
        truncated_targets: Those among them whose targets were cut.
        longest_input: Tokens, EOS included, after truncation.
        longest_target: Tokens, EOS included, after truncation.
        label_counts: Examples per label word, in the order of the task's label words.
        rejected: Source rows that could not be used.
        rejected_reasons: How many rows were rejected for each reason.
        truncated_share: Of the examples, from 0 to 1.
        dropped: Source rows that were left out as the task asks.
        dropped_by: How many of them by which key of a task file, or which row function.
        expanded: Examples beyond the first of their row.
        duplicates: Of the examples, how many have the inputs of an example in another split,
            by that split; those of an earlier one in this, where they are many, by `ITSELF`.
        packing: How its records are filled; None: with one example each.
        unknown_input_tokens: Input tokens for which the vocabulary has only `<unk>`.
        unknown_target_tokens: The same of targets.
        lossy_inputs: Examples whose inputs do not decode back to what they were.
        lossy_targets: The same of targets: no model can write these answers.
        input_lengths: Examples by tokens of their inputs, after truncation, as in `5:12 6:40`:
            twelve of five tokens, forty of six. Of a task with choices, the texts of all choices.
            Empty: an earlier version did not count them.
        target_lengths: Examples by tokens of their targets, likewise.
    """

    examples: int
    shards: tuple[ShardEntry, ...]
    truncated: int
    truncated_targets: int
    longest_input: int
    longest_target: int
    label_counts: tuple[int, ...]
    rejected: int
    rejected_reasons: Mapping[str, int]
    truncated_share: float = 0.0
    dropped: int = 0
    dropped_by: Mapping[str, int] = field(default_factory=dict)
    expanded: int = 0
    duplicates: Mapping[str, int] = field(default_factory=dict)
    packing: PackingEntry | None = None
    unknown_input_tokens: int = 0
    unknown_target_tokens: int = 0
    lossy_inputs: int = 0
    lossy_targets: int = 0
    input_lengths: str = ""
    target_lengths: str = ""

    @property
    def records(self) -> int:
        """Records over all shards: rows that training batches take."""
        return sum(shard.records for shard in self.shards)

    @property
    def input_tokens(self) -> int:
        """Input tokens over all shards."""
        return sum(shard.input_tokens for shard in self.shards)

    @property
    def target_tokens(self) -> int:
        """Target tokens over all shards."""
        return sum(shard.target_tokens for shard in self.shards)


@dataclass(frozen=True)
class SourceEntry:
    """Where a task's rows came from.

    Attributes:
        file: Name relative to the data folder, or "generated" for embedded tasks.
        sha256: Of the file as stored, or of the generated rows.
        rows: Rows in it, the header not counted.
        splits: The splits its rows went to.
    """

    file: str
    sha256: str
    rows: int
    splits: tuple[str, ...]


@dataclass(frozen=True)
class TaskEntry:
    """One task of the dataset.

    Attributes:
        name: The task's name.
        kind: One of `TASK_KINDS`.
        label_words: The answers there are, empty where answers are free text.
        label_token_ids: Token ids of each label word, without EOS.
        metrics: Names of the metrics it is scored by, the first being the main one.
        decoding_length: Tokens the decoder must be able to write for it, EOS included.
        mixture_size: Examples that count for the task's share of a mixture.
        splits: By name.
        sources: The files its rows came from.
        notes: What a reader should know about how the splits were made.
        definition: Fingerprint of how its rows are worded.
        truncation: What is kept of inputs that are too long: "head", "tail" or "head_tail".
        language: ISO 639-1 code of the right answers, where the metrics go by it; empty: unnamed.
        no_answer: The right answer of examples that have none; empty where all have one.
        choices: Texts in the inputs of each example, an EOS behind each, which a head on the
            encoder scores one by one; 0 where the inputs are one text.
    """

    name: str
    kind: str
    label_words: tuple[str, ...]
    label_token_ids: tuple[tuple[int, ...], ...]
    metrics: tuple[str, ...]
    decoding_length: int
    mixture_size: int
    splits: Mapping[str, SplitEntry]
    sources: tuple[SourceEntry, ...] = ()
    notes: tuple[str, ...] = ()
    definition: str = ""
    truncation: str = "head"
    language: str = ""
    no_answer: str = ""
    choices: int = 0

    def split(self, name: str) -> SplitEntry:
        """Look a split up.

        Args:
            name: Such as "train" or "validation".

        Returns:
            The split.

        Raises:
            UsageError: If the task has no such split.
        """
        if name not in self.splits:
            raise UsageError(
                f"task {self.name!r} has no split {name!r}; {nearest(name, self.splits)}"
            )
        return self.splits[name]
