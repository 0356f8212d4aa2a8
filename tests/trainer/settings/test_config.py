"""The settings of a run as a person gives them."""

import dataclasses

import pytest

from trainer.settings.config import DataConfig, RunConfig


@pytest.mark.parametrize(
    ("tasks", "names"),
    [
        ("", []),
        ("rte", ["rte"]),
        ("rte,cola", ["rte", "cola"]),
        (" rte , cola ,", ["rte", "cola"]),
        ([], []),
        (["rte", "cola"], ["rte", "cola"]),
    ],
)
def test_tasks_are_a_text_or_a_list(tasks, names):
    assert RunConfig(tasks=tasks).task_list() == names


def test_sections_are_each_runs_own():
    """Frozen, and no dictionary is shared between two runs."""
    one, other = RunConfig(), RunConfig()
    assert one == other
    assert one.adapters.settings is not other.adapters.settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.data = DataConfig()
