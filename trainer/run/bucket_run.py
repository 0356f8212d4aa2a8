"""A run folder in a bucket: trained in a folder of this machine, which the bucket follows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters_tf.files.bucket_runs import copy_run, is_of_run
from adapters_tf.runs.checkpoints import BEST_FILE
from adapters_tf.runs.config import CONFIG_FILE
from prep import DataError, UsageError
from prep.storage.bucket import BucketFolder
from prep.storage.bucket_mirror import BucketMirror
from prep.storage.bucket_owner import owned_address
from trainer.run.lock import owned_folder

_ANOTHER = "another process trains in"

Report = Callable[[str], None]


@dataclass(frozen=True)
class BucketRun:
    """A run folder in a bucket, while it is trained in.

    Attributes:
        address: Of the folder in the bucket.
        local: The folder of this machine.
        push: Sends what has changed.
    """

    address: str
    local: Path
    push: Callable[[], object]

    def shown(self, text: str) -> str:
        """Name the bucket's folder where a text names this machine's."""
        return text.replace(str(self.local), self.address)


@contextlib.contextmanager
def owned_bucket_run(address: str, report: Report) -> Iterator[BucketRun]:
    """Own a run folder in a bucket, with a copy of it on this machine, for as long as a block runs.

    Args:
        address: Such as gs://bucket/runs/glue.
        report: Called with lines for the person who waits.

    Yields:
        The run; whatever ends the block, what was learned by then is sent.

    Raises:
        UsageError: Another process trains there.
        DataError: The bucket refuses or does not answer.
    """
    address = address.rstrip("/")
    digest = hashlib.sha256(address.encode()).hexdigest()
    place = Path(tempfile.gettempdir()) / f"run-{os.getuid()}-{digest[:16]}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_named(address, place))
        stack.enter_context(owned_folder(place))
        stack.enter_context(owned_address(address, place, report))
        local = stack.enter_context(_emptied(place / address.rpartition("/")[2]))
        copy_run(address, local, is_of_run)
        mirror = BucketMirror(stack.enter_context(BucketFolder(address)), local, order, is_of_run)
        try:
            yield BucketRun(address, local, mirror.push)
        except BaseException:
            with contextlib.suppress(DataError, OSError):  # what ended the block says more
                mirror.push()
            raise
        mirror.push()


@contextlib.contextmanager
def _named(address: str, place: Path) -> Iterator[None]:
    """Let errors name the bucket's folder, and who holds it as a run and not a build."""
    try:
        yield
    except (UsageError, DataError) as error:
        text = str(error).replace(str(place / address.rpartition("/")[2]), address)
        text = text.replace(str(place), address).replace("another build is writing", _ANOTHER)
        error.args = (text.replace("another `out`", "another --run"),)
        raise


@contextlib.contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """Make a folder anew; what a kill left of it held nothing that the bucket has not."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def order(name: str) -> int:
    """Say when a file is sent: what others speak of goes first.

    Args:
        name: Below the run folder.
    """
    if name == CONFIG_FILE:
        return 0  # nothing is a run without it
    if name.endswith(".index"):
        return 2  # a checkpoint is there when its index is
    if name == BEST_FILE:
        return 3
    if name.endswith("adapter_model.safetensors") or name.endswith("/config.json"):
        return 4  # an adapter is there when its weights are
    return 1
