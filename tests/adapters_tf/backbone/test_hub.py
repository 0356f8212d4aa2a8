"""Loading by hub name: the hub's real client against a loopback server that answers as it does.

The client reads its settings when it is imported, so the cases run in processes of their own: one
while the server is there and one after it is gone.
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

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
# Written by benchmarks/torch_golden.py --write.
GOLDEN = HERE.parent / "golden" / "t5"
# The client waits 1, 2, 4, … seconds between its tries of a server that is gone; here it needn't.
LOAD = """
import json
import sys
import time
time.sleep = lambda seconds: None
from adapters_tf import load_backbone, save_backbone
folder, *names = sys.argv[1:]
outcomes = []
for number, name in enumerate(names):
    try:
        save_backbone(load_backbone(name), f"{folder}/{number}")
        outcomes.append("loaded")
    except ValueError as error:
        outcomes.append(f"{type(error).__name__}: {error}")
print(json.dumps(outcomes))
"""

_specification = importlib.util.spec_from_file_location("hub_server", HERE / "hub_server.py")
hub_server = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(hub_server)


def load(folder: Path, cache: Path, endpoint: str, *names: str) -> list[str]:
    """Loads hub names one after the other; what was loaded is saved as folder/0, folder/1, …"""
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }
    result = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), *names],
        cwd=HERE.parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def make_sharded(folder: Path) -> None:
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


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    """Every case with the server there, and the requests of the first two loads."""
    folder = tmp_path_factory.mktemp("hub")
    make_sharded(folder / "sharded")
    shutil.copytree(GOLDEN, folder / "pytorch")
    (folder / "pytorch" / "model.safetensors").rename(folder / "pytorch" / "pytorch_model.bin")
    repositories = {
        "laboratory/tiny-t5": GOLDEN,
        "laboratory/sharded-t5": folder / "sharded",
        "laboratory/pytorch-t5": folder / "pytorch",
    }
    names = ("tiny-t5", "tiny-t5", "sharded-t5", "t5-smal", "pytorch-t5")
    with hub_server.serve(repositories) as (endpoint, requests):
        outcomes = load(
            folder, folder / "cache", endpoint, *(f"laboratory/{name}" for name in names)
        )
    return folder, endpoint, outcomes, requests


def assert_golden(folder: Path) -> None:
    stored = load_file(GOLDEN / "model.safetensors")
    for name, tensor in load_file(folder / "model.safetensors").items():
        np.testing.assert_array_equal(tensor, stored[name])


def test_a_hub_model_is_downloaded_once(online):
    folder, _, outcomes, requests = online
    assert outcomes[:2] == ["loaded", "loaded"]
    assert_golden(folder / "0")
    assert_golden(folder / "1")
    fetched = [
        request.split("/main/")[-1]
        for request in requests
        if request.startswith("GET /laboratory/tiny-t5/")
    ]
    assert sorted(fetched) == ["config.json", "generation_config.json", "model.safetensors"]


def test_a_sharded_hub_model_is_downloaded(online):
    folder, _, outcomes, _ = online
    assert outcomes[2] == "loaded"
    assert_golden(folder / "2")


def test_a_model_the_hub_does_not_have(online):
    outcome = online[2][3]
    assert outcome.startswith("ConfigurationError: the hub has no model 'laboratory/t5-smal'")
    assert "did you mean 't5-small'?" in outcome


def test_a_hub_model_without_safetensors_says_how_to_convert(online):
    expected = "WeightsError: 'laboratory/pytorch-t5' has no model.safetensors; where torch"
    assert online[2][4].startswith(expected)


def test_without_the_server_the_cache_is_enough_and_the_rest_is_an_error(online, tmp_path):
    folder, endpoint, _, _ = online
    outcomes = load(
        tmp_path, folder / "cache", endpoint, "laboratory/tiny-t5", "laboratory/never-seen"
    )
    assert outcomes[0] == "loaded"
    assert_golden(tmp_path / "0")
    expected = f"the hub at {endpoint} could not be reached for it"
    assert outcomes[1].startswith("ConfigurationError: ") and expected in outcomes[1]
