"""What several workers cannot be asked for."""

import json

import pytest

from prep import UsageError
from trainer.settings.config import DistributionConfig
from trainer.settings.workers import check_workers

TWO = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}


def test_what_workers_cannot_do_is_refused(monkeypatch):
    check_workers(DistributionConfig(kind="tpu", logical_devices=4))
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO))
    check_workers(DistributionConfig())
    with pytest.raises(UsageError, match=r"TF_CONFIG is set, and distribution\.kind is tpu"):
        check_workers(DistributionConfig(kind="tpu"))
    with pytest.raises(UsageError, match=r"leave out distribution\.logical_devices"):
        check_workers(DistributionConfig(logical_devices=4))
