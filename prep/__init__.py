"""Raw rows in, a dataset folder of token ids out; and the reading side of that folder."""

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.build.vocabulary_training import train_vocabulary
from prep.dataset.batches import make_batch, make_inputs, make_packed_batch
from prep.dataset.entries import (
    PackingEntry,
    ShardEntry,
    SourceEntry,
    SplitEntry,
    TaskEntry,
    VocabularyEntry,
)
from prep.dataset.manifest import Manifest, load_manifest, write_manifest
from prep.dataset.reading import TokenTable, read_split, read_vocabulary
from prep.errors import DataError, UsageError, nearest, run_command
from prep.quiet import quiet_libraries
from prep.sources import (
    Carve,
    FileSource,
    FileSpec,
    GeneratedSource,
    HubSource,
    Layout,
    RowError,
    TfdsSource,
)
from prep.tasks import get_task
from prep.tasks.task import Task
from prep.tokens.vocabulary import Vocabulary

__all__ = [
    "BuildOptions",
    "Carve",
    "DataError",
    "FileSource",
    "FileSpec",
    "GeneratedSource",
    "HubSource",
    "Layout",
    "Manifest",
    "PackingEntry",
    "RowError",
    "ShardEntry",
    "SourceEntry",
    "SplitEntry",
    "Task",
    "TaskEntry",
    "TfdsSource",
    "TokenTable",
    "UsageError",
    "Vocabulary",
    "VocabularyEntry",
    "build_dataset",
    "get_task",
    "load_manifest",
    "make_batch",
    "make_inputs",
    "make_packed_batch",
    "nearest",
    "quiet_libraries",
    "read_split",
    "read_vocabulary",
    "run_command",
    "train_vocabulary",
    "write_manifest",
]
