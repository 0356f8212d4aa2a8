"""TPUStrategy where there is no TPU: its own code, over CPU devices, to be traced and never run.

Variables are made, batches are distributed and checkpoints are written on the CPU; a step is traced
into the graph that a TPU would be given, through every check that TensorFlow makes in Python on the
way. What only the chip's compiler refuses is not seen.
"""

import collections

import numpy as np
import tensorflow as tf
from tensorflow.python.tpu import tpu_system_metadata

HOST = "/job:localhost/replica:0/task:0/device:"


class _Resolver(tf.distribute.cluster_resolver.ClusterResolver):
    """Says that a TPU of so many cores is there."""

    task_type = task_id = None

    def __init__(self, cores):
        self.cores = cores

    def get_tpu_system_metadata(self):
        devices = [tf.config.LogicalDevice(f"{HOST}TPU:{i}", "TPU") for i in range(self.cores)]
        return tpu_system_metadata.TPUSystemMetadata(
            num_cores=self.cores,
            num_hosts=1,
            num_of_cores_per_host=self.cores,
            topology=None,
            devices=devices,
        )

    def cluster_spec(self):
        return tf.train.ClusterSpec({})

    def master(self, task_type=None, task_id=None, rpc_layer=None):
        return ""

    def num_accelerators(self, task_type=None, task_id=None, config_proto=None):
        return {"TPU": self.cores}


def make_tpu_strategy(cores):
    """A TPUStrategy whose cores are logical CPU devices.

    Args:
        cores: How many, at most the logical CPU devices there are.
    """
    strategy = tf.distribute.TPUStrategy(_Resolver(cores))
    names = [f"{HOST}CPU:{i}" for i in range(cores)]
    extended = strategy.extended
    extended._tpu_devices = np.array([[name] for name in names], dtype=object)
    extended._host_device = names[0]
    extended._device_input_worker_devices = collections.OrderedDict({names[0]: names})
    extended._host_input_worker_devices = collections.OrderedDict({names[0]: names[:1] * cores})
    return strategy


def count_operations(function):
    """The operations of a traced function and of all that it calls, by name."""
    graph = function.graph.as_graph_def()
    counts = collections.Counter(node.op for node in graph.node)
    for called in graph.library.function:
        counts.update(node.op for node in called.node_def)
    return counts
