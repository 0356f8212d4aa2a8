"""Figures sent to Weights & Biases, by a module that stands in for its package."""

import sys
import types
from dataclasses import replace

import pytest

from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun, ResolvedTraining
from prep import UsageError
from trainer.callbacks.sending import SendCallback
from trainer.run.metrics_log import MetricsLog
from trainer.settings.config import RunConfig, TrainingConfig
from trainer.settings.observing import check_observing, read_range


class Service:
    """What `wandb.init` gives."""

    def __init__(self, error=None):
        self.lines, self.is_finished, self.error = [], False, error

    def log(self, figures, step):
        if self.error:
            raise self.error
        self.lines.append((step, figures))

    def finish(self):
        self.is_finished = True


@pytest.fixture
def settings():
    model, adapters = ResolvedModel(vocabulary_size=100), AdapterConfig()
    training = ResolvedTraining(wandb="many-tasks")
    return ResolvedRun("/data", "/run", ("a",), 0, model, adapters, training=training)


def stand_in(monkeypatch, service, seen):
    def init(**given):
        seen.append(given)
        if isinstance(service, Exception):
            raise service
        return service

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))


def test_lines_go_there_too_and_a_run_that_goes_on_is_the_same_one(settings, tmp_path, monkeypatch):
    service, seen, said = Service(), [], []
    stand_in(monkeypatch, service, seen)
    for step in (3, 6):
        log = MetricsLog(tmp_path, step - 1)
        callback = SendCallback(settings, log, said.append)
        callback.on_train_begin()
        log.write("train", step, {"loss": 0.5, "a/loss": 0.5})
        callback.on_train_end()
        log.write("train", step + 1, {"loss": 0.4})
    assert service.lines == [(step, {"train/loss": 0.5, "train/a/loss": 0.5}) for step in (3, 6)]
    assert service.is_finished and said == []
    assert seen[0]["project"] == "many-tasks" and seen[0]["name"] == tmp_path.name
    assert seen[0]["id"] == seen[1]["id"] and len(seen[0]["id"]) == 32
    assert seen[0]["config"]["tasks"] == ["a"] and seen[0]["resume"] == "allow"


@pytest.mark.parametrize("service", [RuntimeError("not\nlogged in"), Service(OSError("no net"))])
def test_what_goes_wrong_there_is_told_once_and_stops_nothing(
    settings, tmp_path, monkeypatch, service
):
    said = []
    stand_in(monkeypatch, service, [])
    log = MetricsLog(tmp_path, 0)
    callback = SendCallback(settings, log, said.append)
    callback.on_train_begin()
    for step in (1, 2):
        log.write("train", step, {"loss": 0.5})
    callback.on_train_end()
    assert [line["step"] for line in log.lines()] == [1, 2]
    (line,) = said
    assert line.startswith("note: nothing more is sent to Weights & Biases: ") and "\n" not in line


def test_without_the_package_it_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = RunConfig(training=TrainingConfig(wandb="x"))
    with pytest.raises(UsageError, match=r"t5-task-adapters\[wandb\]"):
        check_observing(config)
    check_observing(replace(config, training=TrainingConfig()))


@pytest.mark.parametrize("text", ["100", "5-4", "0-3", "-", "1-2-3"])
def test_a_profile_is_of_a_range_of_steps(text):
    with pytest.raises(UsageError, match="such as 100-110"):
        check_observing(RunConfig(training=TrainingConfig(profile=text)))
    assert read_range("100-110") == (100, 110) and read_range("7 - 7") == (7, 7)
