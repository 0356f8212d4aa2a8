"""Sweeps: what of a run's folder is told, real runs side by side, and one that fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prep import run_command
from tests.trainer.test_fit import SMALL, arguments
from trainer.__main__ import main
from trainer.sweep.combinations import read_sweep
from trainer.sweep.running import Sweep
from trainer.sweep.table import best_figures, format_table, summarize

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FEW = ("--training.steps=2", "--training.validate_every=0", "--training.validation_examples=4")


def write_run(folder, validations, best):
    folder.mkdir(parents=True)
    lines = [json.dumps({"kind": "validation", **one}) + "\n" for one in validations]
    (folder / "metrics.jsonl").write_text("".join(lines))
    (folder / "best.json").write_text(json.dumps(best))


def test_figures_are_those_of_the_best_step(tmp_path):
    first = {"step": 5, "a/loss": 2.0, "a/f1": 0.5, "a/accuracy": 0.7, "b/loss": 1.0, "mean": 0.4}
    second = {**first, "step": 9, "a/f1": 0.9, "mean": 0.8}
    write_run(tmp_path / "one", [first, second], {"step": 5, "value": 0.4, "metric": "mean"})
    assert best_figures(tmp_path / "one") == {"a": 0.5, "b": 1.0, "mean": 0.4}
    own = {"step": 9, "value": 0.7, "tasks": {"a": {"value": 0.9}, "b": {"value": 0.5}}}
    write_run(tmp_path / "two", [first], own)
    assert best_figures(tmp_path / "two") == {"a": 0.9, "b": 0.5, "mean": 0.7}
    (tmp_path / "two" / "best.json").write_text("{")
    assert best_figures(tmp_path / "two") == best_figures(tmp_path / "none") == {}


def test_seeds_are_averaged_and_nothing_else():
    members = read_sweep("{seed: [0, 1, 2], optimizer.learning_rate: [0.1, 0.2]}")
    figures = {one.name: {"a": float(number)} for number, one in enumerate(members)}
    del figures[members[-1].name]  # it failed
    figures[members[0].name]["a"] = float("nan")
    summary = summarize(members, figures)
    assert summary["optimizer.learning_rate 0.1"]["a"] == {
        "mean": 3.0,
        "sd": pytest.approx(2**0.5),
        "runs": 2,
    }
    heading, *lines = format_table(summary)
    assert heading.startswith("each task's first metric") and len(heading) <= 80
    assert lines[2:] == [
        "optimizer.learning_rate 0.2",
        "  a  2.0000 ± 1.4142  2 runs",
    ]


def test_one_run_has_no_deviation():
    (member,) = read_sweep("{seed: [0]}")
    summary = summarize([member], {member.name: {"a": 0.5}})
    assert summary[member.group()] == {"a": {"mean": 0.5, "runs": 1}}
    assert format_table(summary)[-1] == "  a  0.5000           1 run"


def test_a_sweep_trains_goes_on_and_tells(small_dataset, tmp_path, capfd):
    sweep = "--sweep={seed: [0, 1]}"
    command = arguments(small_dataset, tmp_path / "sweep", *FEW, sweep, "--jobs=2")
    assert run_command(main, [*command, "--dry-run"]) == 0
    assert "seed=1: to be trained" in capfd.readouterr().out
    assert not (tmp_path / "sweep").exists()
    assert run_command(main, command) == 0
    said = capfd.readouterr().out
    assert "run 2 of 2: seed=1" in said and "  mean " in said and "2 runs" in said
    written = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert {one["state"] for one in written["runs"].values()} == {"done"}
    assert written["summary"]["all"]["mean"]["runs"] == 2
    assert "done: step 2" in (tmp_path / "sweep" / "seed=0.log").read_text()
    assert run_command(main, command) == 0
    assert "2 of 2 runs are done already" in capfd.readouterr().out
    # The same in another order, and with other settings.
    assert run_command(main, [command[-1], *command[:-1], "--dry-run"]) == 0
    assert "seed=1: done" in capfd.readouterr().out
    other = arguments(small_dataset, tmp_path / "sweep", *FEW, sweep, "--data.cap=3")
    assert run_command(main, other) == 2
    assert "data.cap was 0, now 3" in " ".join(capfd.readouterr().err.split())
    shutil.rmtree(tmp_path / "sweep" / "seed=1")
    assert run_command(main, [*command, "--dry-run"]) == 0
    assert "seed=1: to be trained" in capfd.readouterr().out


def test_runs_that_were_trained_otherwise_are_not_passed_off_as_done(
    small_dataset, tmp_path, capfd
):
    file = tmp_path / "config.yaml"
    file.write_text(
        "training: {steps: 2, validate_every: 0}\n"
        "optimizer: {schedule: constant, learning_rate: 0.01}\n"
        f"model: {{backbone: t5-tiny, overrides: {json.dumps(SMALL)}}}\n"
    )

    def command(sweep, *more):
        where = f"--config={file}", f"--dataset={small_dataset}", f"--run={tmp_path / 'sweep'}"
        return run_command(main, [*where, f"--sweep={sweep}", *more])

    assert command("{optimizer.weight_decay: [0.5]}") == 0
    config, kept = file.read_text(), (tmp_path / "sweep" / "sweep.json").read_text()
    capfd.readouterr()
    # Another setting in the file, and another one of the same short name: `weight_decay=0.5`.
    file.write_text(config.replace("0.01", "0.5"))
    assert command("{optimizer.weight_decay: [0.5]}") == 2
    assert "optimizer.learning_rate was 0.01, now 0.5" in " ".join(capfd.readouterr().err.split())
    file.write_text(config)
    assert command("{balancing.weight_decay: [0.5]}") == 2
    assert "weight_decay=0.5 is of another configuration" in capfd.readouterr().err
    assert (tmp_path / "sweep" / "sweep.json").read_text() == kept
    # More steps are no other run, but it is not done.
    file.write_text(config.replace("steps: 2", "steps: 3"))
    assert command("{optimizer.weight_decay: [0.5]}", "--dry-run") == 0
    assert "weight_decay=0.5: to be trained" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("{sed: [0, 1]}", "--sed"),
        ("{adapters.method: [lora, lorra]}", "did you mean 'lora'"),
        ("{optimizer.learning_rate: [0.1, fast]}", "learning_rate"),
        ("{optimizer.learning_rate: [1e-3, 0.001]}", "learning_rate=0.001 are the same run"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_the_first_run(
    small_dataset, tmp_path, capsys, sweep, said
):
    command = arguments(small_dataset, tmp_path / "sweep", f"--sweep={sweep}")
    assert run_command(main, command) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


class Pretended(Sweep):
    """Whose runs are little programs."""

    program = ""

    def command(self, member):
        return [sys.executable, "-c", self.program.replace("SEED", str(member.values["seed"]))]


def test_a_run_that_fails_stops_no_other(tmp_path):
    Pretended.program = "import sys; sys.exit(7 if SEED == 1 else 0)"
    sweep, said = Pretended(tmp_path, read_sweep("seed: [0, 1, 2]"), []), []
    assert sweep.go(1, said.append) == ["seed=1"]
    assert sweep.states == {"seed=0": "done", "seed=1": "failed, exit code 7", "seed=2": "done"}
    again = Pretended(tmp_path, read_sweep("seed: [0, 1, 2]"), [])
    Pretended.program = "pass"
    assert again.go(2, said.append) == []
    assert said[-2:] == ["2 of 3 runs are done already", "run 2 of 3: seed=1"]


def test_a_signal_stops_the_runs_and_not_only_the_sweep(tmp_path):
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from trainer.sweep.combinations import read_sweep
from trainer.sweep.command import _stopping_on_signals
from trainer.sweep.running import Sweep
class Waiting(Sweep):
    def command(self, member):
        mark = f"open({str(tmp_path)!r} + '/pid', 'w').write(str(os.getpid()))"
        return [sys.executable, "-c", "import os, time; " + mark + "; time.sleep(600)"]
with _stopping_on_signals():
    Waiting(Path({str(tmp_path)!r}), read_sweep("seed: [0, 1]"), []).go(1, print)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    deadline, pid = time.monotonic() + 300, tmp_path / "pid"
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=300)
    assert b"KeyboardInterrupt" in error
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
