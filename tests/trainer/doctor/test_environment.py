"""Variables that keep transformers from TensorFlow, and TensorFlow from this machine."""

import os
import subprocess
import sys

import pytest

from trainer.doctor.environment import check_environment

CLUSTER = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'


@pytest.mark.parametrize(
    ("variables", "is_tpu", "status", "about"),
    [
        ({}, True, "fault", "FORCE_TF_AVAILABLE"),
        ({"FORCE_TF_AVAILABLE": "0"}, True, "fault", "FORCE_TF_AVAILABLE"),
        ({"FORCE_TF_AVAILABLE": "1"}, True, "ok", "environment"),
        ({}, False, "ok", "environment"),
        ({"USE_TF": "0"}, False, "fault", "USE_TF"),
        ({"USE_TF": "yes"}, False, "ok", "environment"),
        ({"USE_TORCH": "1"}, False, "fault", "USE_TORCH"),
        ({"USE_TORCH": "1", "FORCE_TF_AVAILABLE": "1"}, False, "ok", "environment"),
        ({"TF_USE_LEGACY_KERAS": "1"}, False, "ok", "environment"),
        ({"TF_USE_LEGACY_KERAS": "True"}, False, "ok", "environment"),
        ({"TF_USE_LEGACY_KERAS": "0"}, False, "warning", "TF_USE_LEGACY_KERAS"),
        ({"TF_USE_LEGACY_KERAS": "yes"}, False, "warning", "TF_USE_LEGACY_KERAS"),
        ({"TF_CONFIG": "{'cluster'"}, False, "fault", "TF_CONFIG"),
        ({"TF_CONFIG": "[]"}, False, "fault", "TF_CONFIG"),
        ({"TF_CONFIG": CLUSTER}, False, "warning", "TF_CONFIG"),
        ({"TF_CONFIG": "{}"}, False, "ok", "environment"),
    ],
)
def test_each_variable_is_named_with_its_mend(variables, is_tpu, status, about):
    [finding] = check_environment(variables, is_tpu=is_tpu)
    assert (finding.status, finding.about) == (status, about)
    if status != "ok":
        assert finding.mend in (f"export {about}=1", f"unset {about}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables", ({}, {"USE_TF": "0"}, {"USE_TORCH": "1"}, {"USE_TORCH": "1", "USE_TF": "1"})
)
def test_transformers_decides_as_the_doctor_says(variables):
    known = ("USE_TF", "USE_TORCH", "FORCE_TF_AVAILABLE")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    program = "from transformers.utils import is_tf_available\nprint(is_tf_available())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    findings = check_environment(variables, is_tpu=False)
    assert done.stdout.strip() == str(all(one.status == "ok" for one in findings))


@pytest.mark.slow
@pytest.mark.parametrize("value", ("1", "yes", "0"))
def test_tensorflow_takes_legacy_keras_as_the_doctor_says(value):
    program = "import tensorflow as tf\nprint(tf.keras.__name__.split('.')[0])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TF_USE_LEGACY_KERAS": value},
        capture_output=True,
        text=True,
        check=True,
    )
    [finding] = check_environment({"TF_USE_LEGACY_KERAS": value}, is_tpu=False)
    assert done.stdout.strip() == ("tf_keras" if finding.status == "ok" else "keras")
    assert ("makes tf.keras Keras 3" in finding.what) == (finding.status == "warning")
