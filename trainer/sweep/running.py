"""The runs of a sweep, each in a process of its own, one after the other or several at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prep import DataError
from prep.errors import INTERRUPTED
from prep.storage.durable_files import write_atomically
from trainer.sweep.combinations import Member

SWEEP_FILE = "sweep.json"
DONE, _STOPPED = "done", "interrupted"
Report = Callable[[str], None]


class Sweep:
    """The folder of a sweep, and what became of its runs.

    Args:
        folder: Where the runs' folders and `sweep.json` lie; made if absent.
        members: The runs.
        words: What all runs are given on the command line.

    Raises:
        DataError: Its `sweep.json` is damaged.
    """

    def __init__(self, folder: Path, members: Sequence[Member], words: Sequence[str]):
        self.folder, self.members, self.words = folder, list(members), list(words)
        self.states: dict[str, str] = {}
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._is_ended = False
        file = folder / SWEEP_FILE
        if not file.exists():
            return
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            runs = dict(found["runs"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file} is damaged; remove it: runs tell what is done") from error
        self.states = {name: str(one.get("state", "")) for name, one in runs.items()}

    def command(self, member: Member) -> list[str]:
        """Write the command of a run."""
        run = f"--run={self.folder / member.name}"
        return [sys.executable, "-m", "trainer", *self.words, run, *member.options()]

    def go(self, jobs: int, report: Report) -> list[str]:
        """Train all runs that are not done.

        Args:
            jobs: How many at once. One prints what it says; of several each has a file for that.
            report: Called with a line as a run begins and as it ends.

        Returns:
            The names of those that failed.

        Raises:
            KeyboardInterrupt: The sweep was interrupted; its runs have been asked to stop.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.save()
        waiting = [one for one in self.members if self.states.get(one.name) != DONE]
        if skipped := len(self.members) - len(waiting):
            report(f"{skipped} of {len(self.members)} runs are done already")
        numbers = {one.name: number for number, one in enumerate(self.members, 1)}

        def train(member: Member) -> None:
            if self._is_ended:
                return
            report(f"run {numbers[member.name]} of {len(self.members)}: {member.name}")
            code = self._run(member, is_alone=jobs == 1)
            state = {0: DONE, INTERRUPTED: _STOPPED}.get(code, f"failed, exit code {code}")
            if self._is_ended and code < 0:  # by the signal that was to stop it
                state = _STOPPED
            self._is_ended |= code == INTERRUPTED
            with self._lock:
                self.states[member.name] = state
                self.save()
            if state != DONE:
                report(f"{member.name}: {state}")

        with ThreadPoolExecutor(jobs) as pool:
            try:
                list(pool.map(train, waiting))
            except BaseException:
                self._stop()
                raise
        if self._is_ended:
            raise KeyboardInterrupt
        return [one.name for one in self.members if self.states.get(one.name) != DONE]

    def _run(self, member: Member, *, is_alone: bool) -> int:
        if is_alone:
            return self._wait(subprocess.Popen(self.command(member), text=True))
        with (self.folder / f"{member.name}.log").open("a", encoding="utf-8") as log:
            return self._wait(
                subprocess.Popen(
                    self.command(member), stdout=log, stderr=subprocess.STDOUT, text=True
                )
            )

    def _wait(self, process: subprocess.Popen[str]) -> int:
        self._processes.add(process)
        try:
            return process.wait()
        finally:
            if process.poll() is not None:
                self._processes.discard(process)

    def _stop(self) -> None:
        """Ask the runs to stop, as a signal to each would; they leave a checkpoint."""
        self._is_ended = True
        for process in list(self._processes):
            process.terminate()
        for process in list(self._processes):
            process.wait()

    def save(self, **more: Any) -> None:
        """Write `sweep.json`.

        Args:
            **more: What it holds besides: figures.
        """
        runs = {
            one.name: {"values": dict(one.values), "state": self.states.get(one.name, "")}
            for one in self.members
        }
        text = json.dumps({"words": self.words, "runs": runs, **more}, indent=1, ensure_ascii=False)
        write_atomically(self.folder / SWEEP_FILE, (text + "\n").encode())
