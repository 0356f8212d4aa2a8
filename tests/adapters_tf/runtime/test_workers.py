"""Which worker a process is, as TF_CONFIG says."""

import json

import pytest

from adapters_tf.errors import ConfigurationError
from adapters_tf.runtime.workers import Worker, read_worker, refuse_workers


def variable(cluster, job="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})}


TWO = {"worker": ["a:1", "b:1"]}
THREE = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}


@pytest.mark.parametrize(
    ("environment", "worker"),
    [
        ({}, None),
        ({"TF_CONFIG": "{}"}, None),
        (variable({"worker": ["a:1"]}), None),
        (variable(TWO), Worker(0, 2)),
        (variable(TWO, index=1), Worker(1, 2)),
        (variable(THREE, "chief"), Worker(0, 3)),
        (variable(THREE, "worker", 1), Worker(2, 3)),
    ],
)
def test_a_worker_is_counted_as_tensorflow_does(environment, worker):
    assert read_worker(environment) == worker
    assert worker is None or worker.is_chief == (worker.number == 0)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{'cluster'"}, r"TF_CONFIG is no JSON of the form .*\{'cluster'"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG is no JSON of the form"),
        (variable({"worker": 3}), "TF_CONFIG is no JSON of the form"),
        (variable({**TWO, "ps": ["c:1"]}), "names jobs of ps; there are workers only"),
        (variable(TWO, index=2), "says that this is worker 2, and its cluster has 2 of worker"),
        (variable(TWO, "chief"), "says that this is chief 0, and its cluster has 2 of worker"),
    ],
)
def test_what_cannot_be_is_named(environment, message):
    with pytest.raises(ConfigurationError, match=message):
        read_worker(environment)


def test_what_one_process_does_is_refused(monkeypatch):
    refuse_workers("--dry-run")
    monkeypatch.setenv("TF_CONFIG", variable(TWO)["TF_CONFIG"])
    with pytest.raises(ConfigurationError, match="and --dry-run is done by one process; unset it"):
        refuse_workers("--dry-run")
