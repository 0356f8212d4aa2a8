"""For all tests: four logical CPU devices, batches of uneven lengths, a quiet TensorFlow."""

import contextlib
import os
import re
import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

from prep import quiet_libraries

quiet_libraries()
# XLA's passes over a program stay as they are; LLVM, which makes machine code of the result, takes
# half of a compilation's time to optimise loops that run a few times here.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# Programs of this name are written down as they are compiled: asking for one compiles it again.
READ, PROGRAMS = "to_be_read", Path(tempfile.gettempdir()) / f"xla-programs-{os.getpid()}"
if "--xla_dump_to" not in os.environ["XLA_FLAGS"]:
    os.environ["XLA_FLAGS"] += (
        f" --xla_dump_to={PROGRAMS} --xla_dump_hlo_as_text --xla_dump_hlo_module_re={READ}"
    )

# Files of tests that share a run, which takes longer than each of them.
TOGETHER = (
    "test_composed_runs.py",
    "test_doc_commands.py",
    "test_extended_runs.py",
    "test_fit.py",
    "test_headed_runs.py",
    "test_hub.py",
    "test_notebooks.py",
    "test_packed_training.py",
    "test_served_runs.py",
    "test_shapes_of_runs.py",
)


@pytest.fixture(scope="session")
def four_replicas():
    """A strategy of four replicas on this machine's CPU."""
    from adapters_tf import make_strategy

    return make_strategy("cpu", 4)


@pytest.fixture(scope="session")
def two_replicas(four_replicas):
    """A strategy of two replicas, for what four have no other code for: each is traced by itself.

    The collectives of a process keep the size of every group by its key, so these have other keys.
    """
    import tensorflow as tf

    class TwoReplicas(tf.distribute.MirroredStrategy):
        _collective_key_base = 1000

    return TwoReplicas(["CPU:0", "CPU:1"])


@pytest.fixture
def compile_and_read():
    """Compiles a function with XLA; the second one reads the program that its call left."""
    import tensorflow as tf

    name = f"{READ}_{uuid.uuid4().hex}"
    folder = Path(re.search(r"--xla_dump_to=(\S+)", os.environ["XLA_FLAGS"])[1])

    def compile_it(function):
        def named(*arguments):
            return function(*arguments)

        named.__name__ = name
        return tf.function(named, jit_compile=True, autograph=False), read

    def read():
        (program,) = folder.glob(f"*{name}*cpu_after_optimizations.txt")
        return program.read_text()

    yield compile_it
    for file in folder.glob(f"*{name}*"):
        file.unlink()
    with contextlib.suppress(OSError):  # another worker's may be there
        folder.rmdir()


@pytest.fixture(scope="session")
def trained_adapters(tmp_path_factory):
    """What a method that is built on trained adapters is built on, in the cases of all methods."""
    from tests.adapters_tf.methods import cases

    cases.save_trained_adapters(tmp_path_factory.mktemp("trained"))


class _ByTestOrFile(LoadScopeScheduling):
    """Gives every test to the next free worker, but those of some files to one together.

    As `--dist loadgroup` would by marks, but for pytest 9.2, whose ids of tests xdist 3.8 can't
    write the marks into.
    """

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if file.rpartition("/")[2] in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let the tests of a file that share a run find it made."""
    return _ByTestOrFile(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what reads real files: how long it takes depends on how large they are."""
    for item in items:
        if "real_data" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish(session):
    """Split the CPU before any test touches a tensor; TensorFlow can't do it afterwards.

    Tests that need several devices import TensorFlow as they are collected. Where none did, its
    seconds are saved.
    """
    if "tensorflow" not in sys.modules:
        return
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    four = [tf.config.LogicalDeviceConfiguration() for _ in range(4)]
    try:
        tf.config.set_logical_device_configuration(cpu, four)
    except RuntimeError as error:
        raise pytest.UsageError(
            "a file of tests makes a tensor as it is imported; make it in a test or a fixture"
        ) from error
    if session.config.getoption("markexpr") == "not slow":
        _refuse_models()


def _refuse_models():
    """Let a test fail that builds a model and is not marked slow: quick tests stay quick."""
    from transformers import TFT5ForConditionalGeneration

    def refuse(self, *arguments, **keywords):
        pytest.fail("this test builds a T5: mark it, or its file, with pytest.mark.slow")

    TFT5ForConditionalGeneration.__init__ = refuse


def make_uneven_batch(task=1, seed=0, examples=8, input_length=9, target_length=6):
    """Random tokens with a different number of padded positions in every row."""
    random = np.random.default_rng(seed)
    inputs = random.integers(3, 100, (examples, input_length)).astype(np.int32)
    targets = random.integers(3, 100, (examples, target_length)).astype(np.int32)
    for row in range(examples):
        inputs[row, 2 + row % (input_length - 1) :] = 0
        targets[row, 1 + row % target_length :] = 0
    shifted = np.zeros_like(targets)
    shifted[:, 1:] = targets[:, :-1]
    return {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": shifted,
        "decoder_target_tokens": targets,
        "decoder_loss_weights": (targets != 0).astype(np.float32),
        "task": np.full(examples, task, np.int32),
    }


@pytest.fixture(scope="session")
def uneven_batch():
    """The function above: tests can't import from here."""
    return make_uneven_batch
