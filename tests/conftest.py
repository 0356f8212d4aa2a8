"""For all tests: four logical CPU devices, and TensorFlow without its greetings."""

import pytest

from prep import quiet_libraries

quiet_libraries()


@pytest.fixture(scope="session")
def four_replicas():
    """A strategy of four replicas on this machine's CPU."""
    from adapters_tf import make_strategy

    return make_strategy("cpu", 4)


def pytest_sessionstart(session):
    """Split the CPU before any test touches a tensor; TensorFlow can't do it afterwards."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(4)]
    )
