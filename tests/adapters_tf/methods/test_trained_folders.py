"""Trained adapters are found in the folders of earlier runs, whole or not at all."""

import json

import pytest

from adapters_tf.errors import WeightsError
from adapters_tf.methods.trained.folders import choose_task_folders
from adapters_tf.task_adapters.starting import choose_starts


@pytest.fixture
def run(tmp_path):
    """A run of three tasks whose export was ended after the second."""
    (tmp_path / "config.yaml").write_text("tasks: [a, b, c]\n")
    for task in ("a", "b"):
        folder = tmp_path / "adapters" / task
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text(json.dumps({"methods": {}}))
        (folder / "adapter_model.safetensors").touch()
    (tmp_path / "adapters" / ".c.partial").mkdir()
    (tmp_path / "adapters" / ".c.partial" / "adapter_config.json").touch()
    return tmp_path


def test_an_export_that_was_cut_off_is_not_taken_for_whole(run):
    with pytest.raises(WeightsError, match="no adapters of c: its training or export was cut"):
        choose_task_folders(str(run))
    with pytest.raises(WeightsError, match=r"holds no adapters of c"):
        choose_task_folders([str(run)], ["a", "c"])
    assert list(choose_task_folders(str(run), ["b", "a"])) == ["a", "b"]


def test_nor_is_it_started_from(run):
    with pytest.raises(WeightsError, match=r"holds no adapters of c"):
        choose_starts(str(run), ["a", "c"])
    assert set(choose_starts(str(run), ["a", "x"])) == {"a"}  # x is new


def test_other_folders_may_hold_what_they_like(run):
    assert list(choose_task_folders(str(run / "adapters"))) == ["a", "b"]
    (run / "config.yaml").write_text("tasks: [")
    assert list(choose_task_folders(str(run))) == ["a", "b"]
