"""Every config does what its head says, for two steps of a small model on rows of its format."""

import json
from pathlib import Path

import pytest
import yaml

from adapters_tf import TaskModel, load_backbone, read_methods
from prep import run_command
from trainer.__main__ import main
from trainer.settings.config_file import check_config_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
STUDY = ROOT / "configs" / "hyperformer"
# What an ablation has and has not, by the paths of its adapters and of what trains.
ABLATIONS = {
    "self-attention": (".SelfAttention", ".DenseReluDense"),
    "feed-forward": (".DenseReluDense", ".SelfAttention"),
    "encoder": ("encoder.block.0.layer.0.SelfAttention", "decoder.block.0.layer.0.SelfAttention"),
    "decoder": ("decoder.block.0.layer.0.SelfAttention", "encoder.block.0.layer.0.SelfAttention"),
    "upper-blocks": (".block.3.layer.0.SelfAttention", ".block.2.layer.0.SelfAttention"),
    "linear": ("SelfAttention.generator.hypernetwork.down_kernel_bias", "down_kernel_hidden"),
    "two-layer": ("SelfAttention.generator.hypernetwork.down_kernel_hidden_kernel", "encoder.gen"),
    "bilinear": ("SelfAttention.generator.hypernetwork.down_kernel_kernel", "down_kernel_bias"),
    "shared-norms": ("SelfAttention.hypernetwork.post_norm_gamma", "post_norm_gamma_kernel"),
    "frozen-norms": ("encoder.generator.hypernetwork.post_norm_gamma_kernel", "layer_norm.weight"),
    "norms-alone": ("encoder.final_layer_norm.conditional_layer_norm.beta_kernel", "SelfAttention"),
}
# The demo's are run by tests/trainer/test_demo.py: they build on each other. Of the ablations one
# is run, the rest are methods and settings that are trained elsewhere.
CONFIGS = sorted(
    path
    for path in (ROOT / "configs").rglob("*.yaml")
    if not path.name.startswith("demo-")
    and (path.parent.name != "ablations" or path.stem == "norms-alone")
)


@pytest.fixture(scope="module")
def unvalidated(small_dataset, without_validation, tmp_path_factory):
    """The small dataset without a split to validate on: of a step each run has a program anyway."""
    return without_validation(small_dataset, tmp_path_factory.mktemp("unvalidated") / "dataset")


def check_head(config):
    """A config opens with its command, what it costs, and what a study is held against."""
    lines = config.read_text(encoding="utf-8").splitlines()
    head = " ".join(line.removeprefix("#").strip() for line in lines if line[:1] == "#")
    assert f"--config {config.relative_to(ROOT)}" in head
    assert "Expected: " in head
    assert "Published: " in head or "scratch" in config.name


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_is_the_study_but_for_what_it_says(name):
    config = STUDY / "ablations" / f"{name}.yaml"
    check_head(config)
    ours, study = (
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (config, STUDY / "hyperformer++.yaml")
    )
    assert {**ours, "adapters": None} == {**study, "adapters": None}
    check_config_file(str(config))
    adapters = ours["adapters"]
    blocks = {"num_layers": 4, "num_decoder_layers": 4}
    sizes = {**SMALL, **blocks} if "leave_out" in config.read_text(encoding="utf-8") else SMALL
    model = TaskModel(
        load_backbone("t5-tiny", vocabulary_size=100, overrides=sizes),
        ("a", "b"),
        read_methods(adapters["method"], adapters["settings"]),
        train_layer_norms=adapters["train_layer_norms"],
    )
    paths = [*model.banks, *model.trainable_by_path()]
    has, has_not = ABLATIONS[name]
    assert any(has in path for path in paths)
    assert not any(has_not in path for path in paths)


def test_every_ablation_is_looked_at():
    assert {path.stem for path in (STUDY / "ablations").glob("*.yaml")} == set(ABLATIONS)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_it_trains(config, unvalidated, tmp_path, capsys):
    check_head(config)
    arguments = [
        f"--config={config}",
        f"--dataset={unvalidated}",
        f"--run={tmp_path / 'run'}",
        "--model.backbone=t5-tiny",
        f"--model.overrides={json.dumps(SMALL)}",
        "--data.batch_size=4",
        "--data.input_length=32",
        "--data.target_length=8",
        "--training.epochs=0",
        "--training.steps=2",
        "--training.precision=float32",
        "--training.best_metric=mean",
    ]
    if "tasks_per_step" in config.read_text(encoding="utf-8"):
        arguments.append("--training.tasks_per_step=3")
    assert run_command(main, arguments) == 0, capsys.readouterr().err
    assert "done: step 2" in capsys.readouterr().out
