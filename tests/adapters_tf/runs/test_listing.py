"""What a run folder holds, told without building its model."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from adapters_tf.__main__ import main
from adapters_tf.errors import WeightsError, run_command
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
    (folder / "adapter_config.json").write_text("{}")
    return tmp_path


def test_tasks_are_listed_with_what_they_hold(run):
    file = run / "adapters" / "rte" / "adapter_model.safetensors"
    assert list(describe_run(run)) == [
        f"{run}: lora on t5-small",
        f"  rte             {17:>11,} parameters  {file.stat().st_size:>11,} bytes  {file.parent}",
        "  commonsense_qa  not written yet",
    ]


def test_norms_that_train_are_said(run):
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("norms: false", "norms: true"))
    assert next(describe_run(run)).endswith("lora on t5-small, layer norms trained")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("adapter_model.safetensors", b"x" * 20, "is not a whole safetensors file"),
        ("adapter_config.json", b"{", "adapter_config.json"),
        ("adapter_config.json", None, "holds no adapter_config.json"),
    ],
)
def test_a_damaged_adapter_is_named_and_the_others_listed(run, capsys, file, content, problem):
    folder = run / "adapters"
    shutil.copytree(folder / "rte", folder / "commonsense_qa")
    if content is None:
        (folder / "rte" / file).unlink()
    else:
        (folder / "rte" / file).write_bytes(content)
    assert run_command(main, ["list", str(run)]) == 1
    said = capsys.readouterr()
    _, damaged, other = said.out.splitlines()
    assert damaged == "  rte             damaged" and "17 parameters" in other
    assert "error: 1 of 2 adapters cannot be read: " in said.err and problem in said.err
    assert str(folder / "rte") in said.err


def test_no_run_folder(tmp_path):
    with pytest.raises(WeightsError, match="is no run folder"):
        list(describe_run(tmp_path))


def test_where_the_adapters_can_go_is_said_where_it_was_noted(run):
    with (run / "config.yaml").open("a") as file:
        file.write("exports: export can write peft, hf\n")
    assert list(describe_run(run))[-1] == "  export can write peft, hf"
