"""What a run folder holds, told without building its model."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from adapters_tf.errors import WeightsError
from adapters_tf.runs.config import config_text
from adapters_tf.runs.listing import describe_run
from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun


@pytest.fixture
def run(tmp_path):
    settings = ResolvedRun(
        dataset="data",
        run=str(tmp_path),
        tasks=("rte", "commonsense_qa"),
        seed=0,
        model=ResolvedModel("t5-small", {}, vocabulary_size=40),
        adapters=AdapterConfig("lora", {}, train_layer_norms=False),
    )
    (tmp_path / "config.yaml").write_text(config_text(settings))
    folder = tmp_path / "adapters" / "rte"
    folder.mkdir(parents=True)
    tensors = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}
    save_file(tensors, folder / "adapter_model.safetensors")
    return tmp_path


def test_tasks_are_listed_with_what_they_hold(run):
    file = run / "adapters" / "rte" / "adapter_model.safetensors"
    assert describe_run(run) == [
        f"{run}: lora on t5-small",
        f"  rte             {17:>11,} parameters  {file.stat().st_size:>11,} bytes  {file.parent}",
        "  commonsense_qa  not written yet",
    ]


def test_norms_that_train_are_said(run):
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("norms: false", "norms: true"))
    assert describe_run(run)[0].endswith("lora on t5-small, layer norms trained")


def test_a_torn_file_is_named(run):
    file = run / "adapters" / "rte" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(WeightsError, match=r"rte/adapter_model.safetensors is not a whole"):
        describe_run(run)


def test_no_run_folder(tmp_path):
    with pytest.raises(WeightsError, match="is no run folder"):
        describe_run(tmp_path)


def test_where_the_adapters_can_go_is_said_where_it_was_noted(run):
    with (run / "config.yaml").open("a") as file:
        file.write("exports: export can write peft, hf\n")
    assert describe_run(run)[-1] == "  export can write peft, hf"
