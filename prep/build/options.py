"""What a build is asked for."""

from dataclasses import dataclass, field
from pathlib import Path

from prep.errors import UsageError
from prep.runners.choice import check_runner
from prep.splits.selection import Selection
from prep.storage import StoragePath
from prep.tasks.task import Task
from prep.tokens.truncation import check_truncation


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    Attributes:
        tasks: The tasks, in the order given.
        vocabulary: Path of the SentencePiece model, local or gs://.
        out: The dataset folder to make, local or gs://.
        data_dir: Folder that holds a folder per task, local or gs://; None if all tasks are
            generated.
        max_input_length: Tokens, EOS included; longer inputs are cut as their task says.
        max_target_length: Tokens, EOS included; longer targets lose their end.
        shard_records: Source rows per shard.
        workers: Processes.
        force: Whether to replace a dataset built with other options.
        truncation: What to keep of long inputs, for every task; None leaves it to the task.
        format: How to word the tasks: "t5" or "hyperformer", as those publications do, or
            "encoder", for heads.
        has_name_in_front: In the second, whether inputs begin with the task's name.
        source: Where to read from: "files", "tfds" or "hf".
        selection: Splits to carve, and how many rows to take of each.
        modules: Python files that define some of the tasks; every worker imports them.
        runner: What runs the workers: "local" processes, or an Apache "beam" pipeline.
        beam_options: Options of Beam and its runner, such as --runner=DataflowRunner.
        pack: Whether to put several training examples into a record of `max_input_length` tokens.
        blank_after_sentinels: Whether what follows a sentinel always begins with a "▁", as in
            T5's own code.
        accept_rejects: Whether a split may lose half of its rows or more.
        pack_target_length: Target tokens that such a record may have; 0: as few as cost none.
    """

    tasks: tuple[Task, ...]
    vocabulary: StoragePath
    out: StoragePath
    data_dir: StoragePath | None = None
    max_input_length: int = 512
    max_target_length: int = 512
    shard_records: int = 2048
    workers: int = 1
    force: bool = False
    truncation: str | None = None
    format: str = "t5"
    has_name_in_front: bool = False
    source: str = "files"
    selection: Selection = field(default_factory=Selection)
    modules: tuple[Path, ...] = ()
    runner: str = "local"
    beam_options: tuple[str, ...] = ()
    pack: bool = False
    pack_target_length: int = 0
    accept_rejects: bool = False
    blank_after_sentinels: bool = True

    def __post_init__(self) -> None:
        if not self.tasks:
            raise UsageError("no task to build: name at least one with `tasks`")
        if self.truncation is not None:
            check_truncation(self.truncation, "`truncation`")
        least = {"max_input_length": 2, "max_target_length": 2, "shard_records": 1, "workers": 1}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise UsageError(f"`{name}` is {getattr(self, name)}; it must be >= {minimum}")
        check_runner(self.runner, self.beam_options)
        if self.pack_target_length and not self.pack:
            raise UsageError("`pack_target_length` is for `pack`")
        if self.pack_target_length < 0:
            raise UsageError(f"`pack_target_length` is {self.pack_target_length}; it must be >= 0")
