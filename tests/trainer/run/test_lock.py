"""One process to a run folder, and a lock that is gone with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep import UsageError
from trainer.run.lock import LOCK_FILE, owned_folder

HOLD = """
import sys, time
from pathlib import Path
from trainer.run.lock import owned_folder
with owned_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that owns the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_process_refuses(holder, tmp_path):
    with (
        pytest.raises(UsageError, match=rf"another process \(pid {holder.pid}\) trains in .*run"),
        owned_folder(tmp_path / "run"),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with owned_folder(tmp_path / "run"):
        pass


def test_nothing_is_left_of_a_folder_that_nothing_was_written_to(tmp_path):
    with owned_folder(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK_FILE).exists()
    assert not (tmp_path / "run").exists()
    with owned_folder(tmp_path / "run"):
        (tmp_path / "run" / "config.yaml").touch()
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["config.yaml"]
