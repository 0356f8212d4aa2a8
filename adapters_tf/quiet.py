"""Keep TensorFlow and transformers from greeting a person with pages of notices.

`prep.quiet` has the same rules; a test holds the two copies together.
"""

import logging
import os

from adapters_tf.lean_import import import_without_keras_3
from adapters_tf.tpu_wheel import prepare_tpu_wheel

_KNOWN = ("triggered tf.function retracing", "is slow compared to the batch time")


def quiet_libraries() -> None:
    """Silence start-up notices, unless the environment asks for them; call before importing them.

    TensorFlow reports the GPU drivers it doesn't find as errors, and transformers that its
    TensorFlow classes end with version 5, and that functions are traced again for each length of
    answers, and Hugging Face's client each time it tries a hub again that cannot be reached (the
    error at the end says it): all true, none of use to who types a command. The TPU wheel of
    TensorFlow is told what it needs (`tpu_wheel.py`).
    """
    prepare_tpu_wheel()
    import_without_keras_3()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    logging.getLogger("tensorflow").addFilter(_is_worth_reading)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    message = str(record.msg)
    return not any(known in message for known in _KNOWN)
