"""Every config does what its head says, for two steps of a small model on rows of its format."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from adapters_tf import TaskModel, load_backbone, read_methods
from prep import get_task, run_command
from prep.__main__ import main as prep_main
from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from tests.trainer.config_rows import write_rows
from trainer.__main__ import main
from trainer.settings.arguments import read_arguments
from trainer.settings.config_file import check_config_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1}
BUILDS = re.compile(r"prep build --tasks (\S+)(.*?)(?: python -m|$)")
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
# The demo's are run by tests/trainer/test_demo.py: they build on each other.
CONFIGS = sorted(
    path
    for path in (ROOT / "configs").rglob("*.yaml")
    if not path.name.startswith("demo-") and path.stem != "t5-base"
)


@pytest.fixture(scope="module")
def datasets(small_dataset, without_validation, tmp_path_factory):
    """Builds what the head of a config says, of a few rows in the tasks' own formats.

    They have no split to validate on, as each run would have programs of its own for that.
    """
    made = {}

    def build(config):
        found = BUILDS.search(read_head(config))
        tasks, options = found.groups() if found else ("", "")
        if (tasks, options) not in made:
            folder = tmp_path_factory.mktemp("of_config")
            whole = small_dataset if not tasks else folder / "whole"
            if tasks:
                write_rows(folder / "raw", tasks.split(","))
                chosen = re.findall(r"--(?:format|truncation|max-input-length) \S+", options)
                command = ["build", f"--tasks={tasks}", *" ".join(chosen).split()]
                places = [f"--data-dir={folder / 'raw'}", f"--out={whole}"]
                vocabulary = small_dataset / "spiece.model"
                if "FOLDER" in options:  # one that has the tasks' letters
                    of_rows = tuple(map(get_task, tasks.split(",")))
                    vocabulary = folder / "spiece.model"
                    texts = task_texts(of_rows, folder / "raw")
                    train_vocabulary(texts, vocabulary, 160, words_to_keep(of_rows))
                assert prep_main([*command, f"--vocabulary={vocabulary}", *places]) == 0
            made[tasks, options] = without_validation(whole, folder / "dataset")
        return made[tasks, options]

    return build


def read_head(config):
    lines = config.read_text(encoding="utf-8").splitlines()
    return " ".join(
        line.removeprefix("#").strip().removesuffix("\\") for line in lines if line[:1] == "#"
    )


def sizes_for(config):
    """One block a stack, but where adapters are left out of some of several."""
    has_several = "leave_out" in config.read_text(encoding="utf-8")
    return SMALL | ({"num_layers": 4, "num_decoder_layers": 4} if has_several else {})


def check_head(config):
    """A config opens with its command, what it costs, and what a study is held against."""
    head = read_head(config)
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
    model = TaskModel(
        load_backbone("t5-tiny", vocabulary_size=100, overrides=sizes_for(config)),
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
def test_it_trains(config, datasets, tmp_path, capsys):
    check_head(config)
    dataset = datasets(config)
    arguments = [
        f"--config={config}",
        f"--dataset={dataset}",
        f"--run={tmp_path / 'run'}",
        "--model.backbone=t5-tiny",
        f"--model.overrides={json.dumps(sizes_for(config))}",
        "--data.batch_size=4",
        "--data.input_length=32",
        "--data.target_length=8",
        "--training.epochs=0",
        "--training.steps=2",
        "--training.precision=float32",
        "--training.best_metric=mean",
    ]
    assert run_command(main, arguments) == 0, capsys.readouterr().err
    assert "done: step 2" in capsys.readouterr().out


def test_the_study_of_t5_base_is_that_of_t5_small_but_for_the_backbone():
    check_head(STUDY / "t5-base.yaml")
    small = read_arguments([f"--config={STUDY / 'hyperformer.yaml'}"])
    base = read_arguments([f"--config={STUDY / name}.yaml" for name in ("hyperformer", "t5-base")])
    assert base.model.backbone == "google-t5/t5-base"
    assert dataclasses.replace(base, model=small.model) == small
