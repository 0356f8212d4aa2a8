"""The long part of a build: every task's rows → shards, each task on its own.

A task that fails (its file is cut off in the middle, its functions raise, nothing is left of a
split) loses its own folder only; the others are written to their end. What the machine refuses (a
full disk, a worker that died) ends the build.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from prep.build.finishing import finish_task
from prep.build.journal import Journal
from prep.dataset.entries import TaskEntry
from prep.dataset.manifest import REJECTED_FILE, Manifest
from prep.errors import DataError, UsageError, describe_os_error
from prep.runners.choice import JobRunner
from prep.shards.jobs import EncodingSettings, ShardJob, ShardResult
from prep.splits.plan import SplitPlan, TaskPlan
from prep.storage import Place


def describe_failure(task: str, error: Exception) -> str:
    """Say in one line why a task failed, without saying again which.

    Args:
        task: The task's name.
        error: What ended it.

    Returns:
        The reason.
    """
    text = describe_os_error(error) if isinstance(error, OSError) else str(error)
    if not isinstance(error, ValueError | OSError):  # code of the task, which says less
        text = f"{type(error).__name__}: {text}"
    readable = text.encode("utf-8", "backslashreplace").decode()
    return " ".join(readable.removeprefix(f"task {task!r}: ").split())


class TaskWriter:
    """The writer of the shards of tasks.

    Args:
        folder: The folder to write to; its journal was opened.
        plans: The tasks.
        journal: The shards that are there already, and where new ones are noted.
    """

    def __init__(self, folder: Path, plans: Sequence[TaskPlan], journal: Journal):
        self._folder = folder
        self._plans = plans
        self._journal = journal
        self._results: dict[str, dict[str, list[ShardResult]]] = {
            plan.task.name: defaultdict(list) for plan in plans
        }
        self.failures: dict[str, str] = {}

    def write(self, settings: EncodingSettings, run_jobs: JobRunner) -> None:
        """Write every shard that is not there yet; failures are kept in `failures`.

        Args:
            settings: What every shard has in common.
            run_jobs: Does the jobs, here or elsewhere.

        Raises:
            DataError: If a worker died.
            OSError: If the disk refuses.
        """
        total = sum(split.rows for plan in self._plans for split in plan.splits)
        with tqdm(total=total, unit=" rows", unit_scale=True, disable=None) as progress:
            jobs = self._remaining_jobs(progress.update)
            for job, result in run_jobs(jobs, settings):
                progress.set_description(f"{job.task.name} {job.split}")
                if isinstance(result, DataError):
                    self._fail(job.task.name, result)
                    continue
                progress.update(result.rows)
                self._results[job.task.name][job.split].append(result)
                self._journal.add(job, result)

    def finish(self, planned: Manifest, accept_rejects: bool) -> dict[str, TaskEntry]:
        """Give the shards their names, and remove the folders of tasks that failed.

        Args:
            planned: The manifest before any row was encoded.
            accept_rejects: Whether a split may lose half of its rows or more.

        Returns:
            The entries of the tasks that succeeded.

        Raises:
            OSError: If the disk refuses.
        """
        entries: dict[str, TaskEntry] = {}
        for plan in self._plans:
            name = plan.task.name
            try:
                if name not in self.failures:
                    entries[name] = finish_task(
                        self._folder,
                        planned.tasks[name],
                        plan,
                        self._results[name],
                        planned.packing,
                        accept_rejects,
                    )
            except OSError:
                raise
            except Exception as error:
                self._fail(name, error)
            if name in self.failures:
                shutil.rmtree(self._folder / name)
        return entries

    def _fail(self, task: str, error: Exception) -> None:
        self.failures.setdefault(task, describe_failure(task, error))

    def _remaining_jobs(self, count_rows: Callable[[int], object]) -> Iterator[ShardJob]:
        for plan in self._plans:
            name = plan.task.name
            (self._folder / name).mkdir(exist_ok=True)
            for job in self._readable(name, task_jobs(self._folder / name, plan)):
                result = self._journal.find(job)
                if result is None:
                    yield job
                else:
                    count_rows(result.rows)
                    self._results[name][job.split].append(result)
                if name in self.failures:
                    break

    def _readable(self, task: str, jobs: Iterable[ShardJob]) -> Iterator[ShardJob]:
        """Yield a task's jobs up to where its rows cannot be read."""
        try:
            yield from jobs
        except UsageError:
            raise
        except Exception as error:
            self._fail(task, error)


def copy_tasks(names: Iterable[str], source: Place, folder: Path) -> None:
    """Take finished tasks over from an older dataset folder.

    Args:
        names: Of the tasks.
        source: The older folder, on this machine's disk.
        folder: The folder that is being written.

    Raises:
        OSError: If the disk refuses.
    """
    for name in names:
        shutil.copytree(str(source / name), folder / name)


def task_jobs(folder: Path, plan: TaskPlan) -> Iterator[ShardJob]:
    """List the shards of a task.

    Args:
        folder: The dataset folder.
        plan: The task's rows.

    Yields:
        One job per shard, split by split.
    """
    for split in plan.splits:
        yield from _split_jobs(folder, split)


def _split_jobs(folder: Path, plan: SplitPlan) -> Iterator[ShardJob]:
    first_example = 0
    for index, block in enumerate(plan.open_blocks()):
        is_member: np.ndarray | None = None
        if plan.is_member is not None:
            is_member = plan.is_member[block.first_index : block.first_index + block.count]
        stem = f"{plan.split}-{index:05d}"
        yield ShardJob(
            plan.task,
            plan.split,
            index,
            block,
            first_example,
            is_member,
            folder / f"{stem}.tfrecord",
            folder / f"{stem}.{REJECTED_FILE}",
        )
        first_example += block.count if is_member is None else int(is_member.sum())
