"""Where figures go: those of another dataset never take the place of the run's own."""

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from adapters_tf.runs.settings import ResolvedRun
from prep import Manifest, TaskEntry
from prep.dataset.digests import task_digest

FIGURES = "eval"  # in a run folder
RUN_PAGE = "report.html"  # in a run folder, of the split that was scored last
_DIGITS = 8  # of a dataset's digest, in the name of a folder


def report_folder(
    run: Path,
    settings: ResolvedRun,
    scored: tuple[str, Manifest, str],
    entries: Sequence[TaskEntry],
    average: Sequence[str] = (),
) -> Path:
    """Choose the folder of a report.

    Args:
        run: The run folder.
        settings: The run's.
        scored: The dataset folder, its manifest, and the split.
        entries: The tasks, of that manifest.
        average: Adapters whose mean answers.

    Returns:
        `eval` of the run; below it a folder for an average, and one for a dataset that is not the
        run's, which has the dataset's name and the beginning of its digest. Of a run that grew by
        tasks of another dataset, each has only some of the tasks, and the earlier ones a folder.
    """
    folder = run / FIGURES
    if average:
        folder /= "-".join(("average", *average))
    dataset, manifest, split = scored
    is_whole = _is_in_place(settings, dataset) or manifest.tasks.keys() >= set(settings.tasks)
    if is_whole and is_of_run(settings, dataset, split, entries):
        return folder
    name = PurePosixPath(dataset.rstrip("/")).name or Path(dataset).absolute().name
    return folder / f"{name}-{dataset_digest(manifest)[:_DIGITS]}"


def is_of_run(
    settings: ResolvedRun, dataset: str, split: str, entries: Sequence[TaskEntry]
) -> bool:
    """Tell whether a dataset is the one a run was trained on, wherever it lies now.

    Args:
        settings: The run's; what it read is known by fingerprints.
        dataset: The dataset folder.
        split: To score on.
        entries: The tasks to score, of the dataset.

    Returns:
        Whether every task holds what it held; where no fingerprint tells, as of a split that
        training never read, whether the folder is the same.
    """
    is_same_place = _is_in_place(settings, dataset)
    read = (settings.data.train_split, settings.data.validation_split)
    for entry in entries:
        known = settings.fingerprints.get(f"dataset.{entry.name}")
        if known and known != task_digest(entry, read):
            return False
        if not is_same_place and not (known and split in read):
            return False
    return True


def dataset_digest(manifest: Manifest) -> str:
    """Compute the digest of all examples of a dataset.

    Args:
        manifest: Of the dataset.

    Returns:
        Hexadecimal SHA-256.
    """
    digest = hashlib.sha256()
    for name, entry in sorted(manifest.tasks.items()):
        digest.update(f"{name} {task_digest(entry, sorted(entry.splits))}\n".encode())
    return digest.hexdigest()


def _is_in_place(settings: ResolvedRun, dataset: str) -> bool:
    """Tell whether a dataset lies where the run's did."""
    return _absolute(dataset) == _absolute(settings.dataset)


def _absolute(dataset: str) -> str:
    return dataset.rstrip("/") if "://" in dataset else str(Path(dataset).absolute())
