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
from dataclasses import dataclass
from pathlib import Path

from prep.dataset.manifest import MANIFEST_FILE, load_manifest
from prep.errors import DataError, describe_os_error
from prep.runners.local import WorkerLostError
from prep.storage import LocalPlace, Place
from prep.storage.locks import locked


@dataclass(frozen=True)
class Target:
    """Where a dataset shall be, and where it is written until it is whole.

    Attributes:
        out: The place; of a link, where it leads.
        partial: The local folder to write, the same one again after a build that was killed.
        is_inside: Whether that lies inside the place, which cannot be replaced as a whole.
    """

    out: Place
    partial: Path
    is_inside: bool = False


@contextlib.contextmanager
def owned_target(out: Place, report: Callable[[str], None]) -> Iterator[Target]:
    """Find out where to write, and keep every other build away from there.

    Args:
        out: The place as it was asked for.
        report: Receives lines for the person who waits.

    Yields:
        The target.

    Raises:
        DataError: If another build writes there, or somebody else owns the temporary folder.
        OSError: If nothing can be written there.
    """
    if not isinstance(out, LocalPlace):
        temporary = _temporary_folder(str(out))
        with locked(temporary.with_name(f"{temporary.name}.lock"), str(out), report):
            temporary.mkdir(mode=0o700, exist_ok=True)  # another build may just have ended
            try:
                yield Target(out, temporary / "dataset")
            finally:
                with contextlib.suppress(OSError):  # work is in it, to go on from
                    temporary.rmdir()
        return
    path = out.path.resolve()
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    is_inside = path.is_dir() and not _is_replaceable(path)
    hidden = f"{path}/." if is_inside else f"{path.parent}/.{path.name}."
    lock, partial = Path(f"{hidden}lock"), Path(f"{hidden}partial")
    try:
        with locked(lock, str(out), report):
            yield Target(LocalPlace(path), partial, is_inside)
    finally:
        with contextlib.suppress(OSError):  # that something is in by now
            for folder in made:
                folder.rmdir()


@contextlib.contextmanager
def owned_everywhere(target: Target, report: Callable[[str], None]) -> Iterator[None]:
    """Keep builds of other machines away from a bucket; on a disk, its lock has done so.

    Args:
        target: That this process owns on this machine.
        report: Receives lines for the person who waits.

    Yields:
        Nothing.

    Raises:
        DataError: If another build writes there, or the bucket refuses.
    """
    if isinstance(target.out, LocalPlace):
        yield
        return
    from prep.storage.bucket_owner import owned_address  # loads Google's client

    with owned_address(str(target.out), target.partial, report):
        yield


def is_leftover(path: Path) -> bool:
    """Tell whether a file is nobody's content: hidden, or of a file system's own."""
    return path.name.startswith(".") or path.name == "lost+found"


def _is_replaceable(folder: Path) -> bool:
    """Tell whether a folder can be exchanged for another: not what is mounted, or worked in."""
    is_needed = folder.is_mount() or folder == Path.cwd()
    return not is_needed and os.access(folder.parent, os.W_OK)


@contextlib.contextmanager
def written_whole(target: Target, report: Callable[[str], None]) -> Iterator[Path]:
    """Yield a local folder to write, which then goes where it belongs, whole or not at all.

    Args:
        target: Where it belongs.
        report: Receives lines for the person who waits.

    Yields:
        The folder: hidden, and the same one again after a build that was killed.

    Raises:
        DataError: If the bucket refuses, or the finished folder cannot be moved; it is kept then.
        OSError: If the disk refuses.
    """
    partial = target.partial
    try:
        yield partial
    except WorkerLostError:
        raise  # the next build, perhaps with fewer workers, goes on from here
    except Exception:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if not isinstance(target.out, LocalPlace):
        _stage(partial, str(target.out), report)
        shutil.rmtree(partial)
        return
    try:
        if target.is_inside:
            _move_contents(partial, target.out.path)
        else:
            _move_into_place(partial, target.out.path)
    except OSError as error:
        raise DataError(
            f"the finished dataset could not be moved to {target.out} ({describe_os_error(error)});"
            f" it was kept in {partial}, and the same command moves it"
        ) from error


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


def _move_contents(partial: Path, out: Path) -> None:
    """Put the content of a finished folder into one that must stay; the manifest last."""
    if (out / MANIFEST_FILE).is_file():
        old = load_manifest(out)
        (out / MANIFEST_FILE).unlink()  # what lies there is no dataset from here on
        (out / old.vocabulary.file).unlink(missing_ok=True)
        for task in old.tasks:
            shutil.rmtree(out / task)
    for path in sorted(partial.iterdir(), key=lambda path: path.name == MANIFEST_FILE):
        path.rename(out / path.name)
    partial.rmdir()
