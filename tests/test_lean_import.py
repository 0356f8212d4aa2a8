"""TensorFlow is imported without Keras 3, which is there for who asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from {package}.lean_import import import_without_keras_3
import_without_keras_3()
import_without_keras_3()
import tensorflow as tf
loaded = [name for name in ("keras", "matplotlib", "sklearn") if name in sys.modules]
assert not loaded, loaded
assert tf.function(lambda one: one + 1)(tf.constant(1)).numpy() == 2
assert tf.__file__ and "tensorflow" in tf.__path__[-1], tf.__path__
import keras
assert keras.__version__.startswith("3.") and keras.layers.Dense(1)
import tf_keras
assert tf_keras.__version__.startswith("2.")
"""


@pytest.mark.slow
@pytest.mark.parametrize("package", ["prep", "adapters_tf"])
def test_tensorflow_comes_without_keras_3(package):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", PROGRAM.format(package=package)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr


def test_both_copies_are_the_same():
    ours, theirs = (
        (ROOT / package / "lean_import.py").read_text(encoding="utf-8")
        for package in ("prep", "adapters_tf")
    )
    assert ours.replace("`adapters_tf.lean", "`prep.lean") == theirs
