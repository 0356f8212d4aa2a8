"""The versions that were tried together; a test compares them with constraints.txt."""

from __future__ import annotations

import sys

# Of the distributions that must fit together, whoever asks for them.
PINS = {
    "tensorflow": "2.20.0",
    "tf-keras": "2.20.1",
    "tensorflow-text": "2.20.1",
    "transformers": "4.57.6",
    "tokenizers": "0.22.2",
    "huggingface-hub": "0.36.2",
    "keras": "3.15.1",
    "keras-hub": "0.32.0",
    "keras-nlp": "0.32.0",
    "numpy": "2.2.6",
    "protobuf": "6.32.0",
    "h5py": "3.16.0",
    "ml-dtypes": "0.6.0",
    "safetensors": "0.8.0",
    "sentencepiece": "0.2.3",
    "tensorflow-datasets": "4.9.10",
    "pyarrow": "25.0.1",
    "jsonargparse": "4.53.0",
    "google-cloud-storage": "3.17.1",
}
# The last versions for Python 3.10.
OLD_PYTHON_PINS = {"keras": "3.12.4", "keras-hub": "0.25.1", "keras-nlp": "0.25.1"}
# In place of tensorflow.
TPU_PINS = {"tensorflow-tpu": "2.20.0", "libtpu": "0.0.14"}
# How many of a version's numbers must be the pin's: others are known not to work together. The
# TPU wheel asks for libtpu 0.0.14 or newer, and the newest (0.0.52) ends the process as it starts.
DECIDING_NUMBERS = {
    "tensorflow": 2,
    "tensorflow-tpu": 2,
    "tf-keras": 2,
    "tensorflow-text": 2,
    "transformers": 1,
    "numpy": 1,
    "protobuf": 1,
    "libtpu": 3,
}
PYTHONS, TPU_PYTHONS = ((3, 10), (3, 12)), ((3, 11), (3, 12))


def pins_for(*, is_tpu: bool, python: tuple[int, int] = sys.version_info[:2]) -> dict[str, str]:
    """List the versions that belong together.

    Args:
        is_tpu: Whether TensorFlow comes from the TPU wheel.
        python: Major and minor version.

    Returns:
        Versions by distribution.
    """
    pins = {**PINS, **(OLD_PYTHON_PINS if python < (3, 11) else {})}
    if not is_tpu:
        return pins
    del pins["tensorflow"]
    return {**TPU_PINS, **pins}
