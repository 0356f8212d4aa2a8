"""Training steps on CPUs go without Grappler; all else that a run calls goes with it."""

import pytest
import tensorflow as tf

from trainer.steps.graph_optimizer import graph_optimizer, helps_steps


def is_off():
    return tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]


def test_it_is_switched_within_and_put_back_whatever_happens():
    before = is_off()
    with graph_optimizer(is_on=False):
        assert is_off()
        with graph_optimizer(is_on=True):
            assert not is_off()
        assert is_off()
    with pytest.raises(ZeroDivisionError), graph_optimizer(is_on=before):
        1 / 0  # noqa: B018
    assert is_off() == before


@pytest.mark.parametrize(
    ("kinds", "is_compiled", "helps"),
    [
        (["CPU"], False, False),
        (["CPU", "CPU"], False, False),
        (["CPU"], True, True),
        (["CPU", "GPU"], False, True),
        (["CPU", "TPU", "TPU"], False, True),
    ],
)
def test_it_helps_where_steps_are_compiled_or_devices_are_no_cpus(
    kinds, is_compiled, helps, monkeypatch
):
    devices = [tf.config.LogicalDevice(f"/device:{kind}:0", kind) for kind in kinds]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: devices)
    assert helps_steps(is_compiled=is_compiled) == helps
