"""Environment variables that decide what TensorFlow and transformers load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from trainer.doctor.finding import FAULT, OK, WARNING, Finding

# As transformers reads its own variables.
_TRUE = ("1", "ON", "YES", "TRUE")
FORCE = "FORCE_TF_AVAILABLE"
# As TensorFlow reads its own.
LEGACY_KERAS, _LEGACY_TRUE = "TF_USE_LEGACY_KERAS", ("1", "true", "True")


def check_environment(environment: Mapping[str, str], *, is_tpu: bool) -> list[Finding]:
    """Look for variables that keep the programs from what they need.

    Args:
        environment: Of this process.
        is_tpu: Whether TensorFlow comes from the TPU wheel.

    Returns:
        The findings, one at least.
    """
    findings = [
        *_check_transformers(environment, is_tpu=is_tpu),
        *_check_keras(environment),
        *_check_cluster(environment),
    ]
    if findings:
        return findings
    forced = f"; {FORCE}=1 lets it see tensorflow-tpu" if is_tpu else ""
    return [Finding(OK, "environment", f"transformers will load TensorFlow{forced}")]


def _check_transformers(environment: Mapping[str, str], *, is_tpu: bool) -> Iterator[Finding]:
    """Follow `transformers.utils.import_utils`, which decides whether there is TensorFlow."""
    forced = environment.get(FORCE, "AUTO").upper()
    if forced in _TRUE:
        return
    because = "transformers would say: cannot import name 'TFGenerationMixin'"
    if is_tpu:
        said = f"{FORCE}={environment[FORCE]}" if FORCE in environment else f"{FORCE} is not set"
        what = f"{said}, and transformers takes tensorflow-tpu for no TensorFlow; {because}"
        yield Finding(FAULT, FORCE, what, f"export {FORCE}=1")
        return
    if environment.get("USE_TF", "AUTO").upper() not in (*_TRUE, "AUTO"):
        what = f"USE_TF={environment['USE_TF']} keeps transformers from TensorFlow; {because}"
        yield Finding(FAULT, "USE_TF", what, "unset USE_TF")
    if environment.get("USE_TORCH", "AUTO").upper() in _TRUE:
        what = f"USE_TORCH={environment['USE_TORCH']} keeps transformers from TensorFlow; {because}"
        yield Finding(FAULT, "USE_TORCH", what, "unset USE_TORCH")


def _check_keras(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Follow `tensorflow/__init__.py`; our programs take Keras 2 by its own name, tf_keras."""
    if (value := environment.get(LEGACY_KERAS, "1")) not in _LEGACY_TRUE:
        what = (
            f"{LEGACY_KERAS}={value} makes tf.keras Keras 3 (only {', '.join(_LEGACY_TRUE)} mean "
            "yes); a TFT5 is a Keras 2 model: these programs do not mind, and one of your own that "
            "trains it with tf.keras fails"
        )
        yield Finding(WARNING, LEGACY_KERAS, what, f"export {LEGACY_KERAS}=1")


def _check_cluster(environment: Mapping[str, str]) -> Iterator[Finding]:
    text = environment.get("TF_CONFIG", "")
    if not text:
        return
    try:
        cluster = json.loads(text).get("cluster") or {}
        workers = sum(len(addresses) for addresses in cluster.values())
    except (ValueError, AttributeError, TypeError):
        what = "it is no JSON object with a cluster, and TensorFlow reads it to list its devices"
        yield Finding(FAULT, "TF_CONFIG", what, "unset TF_CONFIG")
        return
    if workers:
        what = f"it names a cluster of {workers}: a run is theirs together, and waits for the rest"
        yield Finding(WARNING, "TF_CONFIG", what, "unset TF_CONFIG")
