"""A folder that appears where it belongs whole or not at all, on a disk or in a bucket.

It is written under a hidden name. An error removes what was written; what a kill or a lack of
memory leaves is there for the next build to go on from.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from prep.errors import DataError
from prep.runners.local import WorkerLostError
from prep.storage import LocalPlace, Place


@contextlib.contextmanager
def written_whole(out: Place, report: Callable[[str], None]) -> Iterator[Path]:
    """Yield a local folder to write, which then goes where it belongs, whole or not at all.

    Args:
        out: Where it belongs.
        report: Receives lines for the person who waits.

    Yields:
        The folder: hidden, and the same one again after a build that was killed.

    Raises:
        DataError: If somebody else owns it, or the bucket refuses.
        OSError: If the disk refuses.
    """
    if isinstance(out, LocalPlace):
        partial = out.path.with_name(f".{out.path.name}.partial")
        try:
            yield partial
            _move_into_place(partial, out.path)
        except WorkerLostError:
            raise  # the next build, perhaps with fewer workers, goes on from here
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return
    temporary = _temporary_folder(str(out))
    try:
        yield temporary / "dataset"
    except WorkerLostError:
        raise
    except Exception:
        shutil.rmtree(temporary)
        raise
    _stage(temporary / "dataset", str(out), report)
    shutil.rmtree(temporary)


def _temporary_folder(address: str) -> Path:
    """Make the same folder for every build of an address: one goes on where another ended."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    digest = hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"prep-{user}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != user:  # 0 where there are no users
        raise DataError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    return folder


def _stage(folder: Path, address: str, report: Callable[[str], None]) -> None:
    """Copy a finished folder to a bucket; if the bucket refuses, the work is not lost."""
    from prep.dataset.staging import describe_staging, stage_dataset  # loads Google's client

    try:
        summary = stage_dataset(folder, address)
    except DataError as error:
        raise DataError(
            f"{error}; the finished dataset was kept: python -m prep stage {folder} {address}"
        ) from error
    for line in describe_staging(summary, address):
        report(line)


def _move_into_place(partial: Path, out: Path) -> None:
    """Put the finished folder where it belongs, in place of an older one if there is one."""
    if out.is_dir() and any(out.iterdir()):
        replaced = out.with_name(f".{out.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        out.rename(replaced)
        partial.rename(out)
        shutil.rmtree(replaced)
    else:
        partial.replace(out)
