"""Loading by hub name: the hub's real client against a loopback server that answers as it does.

The client reads its settings when it is imported, so every case runs in a process of its own.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent
# Written by benchmarks/torch_golden.py --write.
GOLDEN = HERE / "golden" / "t5"
# The client waits 1, 2, 4, … seconds between its tries of a server that is gone; here it needn't.
LOAD = """
import sys
import time
time.sleep = lambda seconds: None
from adapters_tf.backbone import load_backbone
from adapters_tf.huggingface import save_backbone
try:
    model = load_backbone(sys.argv[1])
except ValueError as error:
    sys.exit(f"{type(error).__name__}: {error}")
save_backbone(model, sys.argv[2])
"""

_specification = importlib.util.spec_from_file_location("hub_server", HERE / "hub_server.py")
hub_server = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(hub_server)


@pytest.fixture
def load(tmp_path):
    def run(name: str, endpoint: str):
        environment = {
            **os.environ,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }
        command = [sys.executable, "-c", LOAD, name, str(tmp_path / "saved")]
        return subprocess.run(
            command,
            cwd=HERE.parents[1],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def assert_loaded(result, tmp_path):
    assert result.returncode == 0, result.stderr
    stored = load_file(GOLDEN / "model.safetensors")
    for name, tensor in load_file(tmp_path / "saved" / "model.safetensors").items():
        np.testing.assert_array_equal(tensor, stored[name])


def test_a_hub_model_is_downloaded_once_and_found_again_offline(load, tmp_path):
    with hub_server.serve(GOLDEN, "laboratory/tiny-t5") as (endpoint, requests):
        assert_loaded(load("laboratory/tiny-t5", endpoint), tmp_path)
        fetched = [request.split("/main/")[-1] for request in requests if request[:3] == "GET"]
        assert sorted(fetched) == ["config.json", "generation_config.json", "model.safetensors"]
        requests.clear()
        assert_loaded(load("laboratory/tiny-t5", endpoint), tmp_path)
        assert not [request for request in requests if request.startswith("GET")]
    # The server is gone now: what the cache holds is enough.
    assert_loaded(load("laboratory/tiny-t5", endpoint), tmp_path)


def test_a_sharded_hub_model_is_downloaded(load, tmp_path):
    folder = tmp_path / "repository"
    shutil.copytree(GOLDEN, folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, weight_map = sorted(tensors), {}
    for shard in range(2):
        part = {name: tensors[name] for name in names[shard::2]}
        save_file(part, folder / f"part-{shard}.safetensors", metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, f"part-{shard}.safetensors"))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    with hub_server.serve(folder, "laboratory/tiny-t5") as (endpoint, _):
        assert_loaded(load("laboratory/tiny-t5", endpoint), tmp_path)


def test_a_model_the_hub_does_not_have(load):
    with hub_server.serve(GOLDEN, "laboratory/tiny-t5") as (endpoint, _):
        result = load("laboratory/t5-smal", endpoint)
    expected = "ConfigurationError: the hub has no model 'laboratory/t5-smal'"
    assert expected in result.stderr and "did you mean 't5-small'?" in result.stderr


def test_a_hub_model_without_safetensors_says_how_to_convert(load, tmp_path):
    folder = tmp_path / "repository"
    shutil.copytree(GOLDEN, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with hub_server.serve(folder, "laboratory/tiny-t5") as (endpoint, _):
        result = load("laboratory/tiny-t5", endpoint)
    expected = "WeightsError: 'laboratory/tiny-t5' has no model.safetensors; where torch"
    assert expected in result.stderr


def test_an_unreachable_hub(load):
    with hub_server.serve(GOLDEN, "laboratory/tiny-t5") as (endpoint, _):
        pass
    result = load("laboratory/tiny-t5", endpoint)
    expected = f"the hub at {endpoint} could not be reached for it"
    assert expected in result.stderr and "Traceback" not in result.stderr
