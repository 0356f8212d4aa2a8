"""Raw rows in, a dataset folder of token ids out; and the reading side of that folder."""

from prep.batches import make_batch
from prep.errors import DataError, UsageError, nearest, run_command
from prep.manifest import (
    Manifest,
    ShardEntry,
    SourceEntry,
    SplitEntry,
    TaskEntry,
    VocabularyEntry,
    load_manifest,
    write_manifest,
)
from prep.quiet import quiet_libraries
from prep.reading import TokenTable, read_split
from prep.vocabulary import Vocabulary

__all__ = [
    "DataError",
    "Manifest",
    "ShardEntry",
    "SourceEntry",
    "SplitEntry",
    "TaskEntry",
    "TokenTable",
    "UsageError",
    "Vocabulary",
    "VocabularyEntry",
    "load_manifest",
    "make_batch",
    "nearest",
    "quiet_libraries",
    "read_split",
    "run_command",
    "write_manifest",
]
