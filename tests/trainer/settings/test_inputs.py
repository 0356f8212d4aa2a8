"""What a run reads is known by what it holds: moved it is the same, changed it is another."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from adapters_tf import WeightsError
from adapters_tf.backbone.fingerprint import backbone_digest
from adapters_tf.runs.loading import build_backbone
from adapters_tf.runs.sections import AdapterConfig, HeadsConfig
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun, parse_settings
from prep import UsageError, load_manifest
from trainer.parts import resolve_run
from trainer.settings.checks import check_same_run
from trainer.settings.config import RunConfig
from trainer.settings.inputs import with_fingerprints


def write_t5(folder, seed=0, **more):
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "t5", "d_model": 4, "transformers_version": "4.57.6", **more}
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(seed)
    tensors = {name: random.standard_normal((3, 2), np.float32) for name in ("a", "b")}
    save_file(tensors, folder / "model.safetensors")
    return tensors


def write_adapter(folder, seed=0):
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"methods": {}}')
    save_file({"x": np.full(3, seed, np.float32)}, folder / "adapter_model.safetensors")


@pytest.fixture
def settings(small_dataset, tmp_path):
    """A run on a folder's T5 that starts from adapters and is stacked on one."""
    write_t5(tmp_path / "t5")
    write_adapter(tmp_path / "old" / "adapters" / "rte")
    write_adapter(tmp_path / "below")
    return ResolvedRun(
        dataset=str(small_dataset),
        run=str(tmp_path / "run"),
        tasks=tuple(load_manifest(small_dataset).tasks),
        seed=0,
        model=ResolvedModel(str(tmp_path / "t5")),
        adapters=AdapterConfig(
            start_from=str(tmp_path / "old"), stack_on={"of": str(tmp_path / "below")}
        ),
    )


@pytest.fixture
def printed(settings, small_dataset):
    return with_fingerprints(settings, load_manifest(small_dataset))


def moved(settings, small_dataset, tmp_path):
    """The same run with everything it reads in other places."""
    there = tmp_path / "elsewhere"
    for name in ("t5", "old", "below"):
        shutil.move(tmp_path / name, there / name)
    shutil.copytree(small_dataset, there / "data")
    adapters = AdapterConfig(start_from=str(there / "old"), stack_on={"of": str(there / "below")})
    return dataclasses.replace(
        settings,
        dataset=str(there / "data"),
        model=ResolvedModel(str(there / "t5")),
        adapters=adapters,
    )


def test_what_was_moved_is_the_same(settings, printed, small_dataset, tmp_path):
    now = moved(settings, small_dataset, tmp_path)
    again = with_fingerprints(now, load_manifest(now.dataset))
    assert again.fingerprints == printed.fingerprints
    check_same_run(printed, again, "run")


def test_what_a_run_keeps_itself_may_be_gone(settings, printed, small_dataset, tmp_path):
    shutil.rmtree(tmp_path / "old")
    shutil.rmtree(tmp_path / "below")
    check_same_run(printed, with_fingerprints(settings, load_manifest(small_dataset)), "run")


def test_a_backbone_that_changed_is_refused_wherever_it_lies(
    settings, printed, small_dataset, tmp_path
):
    write_t5(tmp_path / "t5", seed=1)
    with pytest.raises(UsageError, match=r"model.backbone: .*t5 is another T5 than .*t5 was"):
        check_same_run(printed, with_fingerprints(settings, load_manifest(small_dataset)), "run")


def test_examples_that_changed_are_refused_with_their_task(settings, printed, small_dataset):
    manifest = load_manifest(small_dataset)
    name = next(iter(manifest.tasks))
    entry = manifest.tasks[name]

    def check(split, **changes):
        first, *others = entry.splits[split].shards
        shards = (dataclasses.replace(first, **changes), *others)
        splits = {**entry.splits, split: dataclasses.replace(entry.splits[split], shards=shards)}
        tasks = {**manifest.tasks, name: dataclasses.replace(entry, splits=splits)}
        other = dataclasses.replace(manifest, tasks=tasks)
        check_same_run(printed, with_fingerprints(settings, other), "run")

    for split in ("train", "validation"):
        with pytest.raises(UsageError, match=f"dataset: .* has other examples of '{name}' than"):
            check(split, crc32c="00000000")
    check("train", file="another/name.tfrecord")
    check("test", crc32c="00000000")  # is not read


def test_other_adapters_to_start_from_are_refused(settings, printed, small_dataset, tmp_path):
    write_adapter(tmp_path / "other" / "adapters" / "rte", seed=1)
    for change in (
        {"start_from": str(tmp_path / "other")},
        {"start_from": ""},
        {"stack_on": {"of": str(tmp_path / "other")}},
    ):
        adapters = dataclasses.replace(settings.adapters, **change)
        now = dataclasses.replace(settings, adapters=adapters)
        with pytest.raises(
            UsageError, match=r"adapters\.(start_from|stack_on\.of) was '.*something"
        ):
            check_same_run(printed, with_fingerprints(now, load_manifest(small_dataset)), "run")


def test_a_digest_is_of_tensors_and_not_of_files(tmp_path):
    tensors = write_t5(tmp_path / "one")
    write_t5(tmp_path / "two", transformers_version="5.23.0")
    (tmp_path / "two" / "model.safetensors").unlink()
    for name, tensor in tensors.items():
        save_file({name: tensor}, tmp_path / "two" / f"{name}.safetensors")
    weight_map = {name: f"{name}.safetensors" for name in tensors}
    index = tmp_path / "two" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert backbone_digest(str(tmp_path / "one")) == backbone_digest(str(tmp_path / "two"))
    write_t5(tmp_path / "one", d_model=8)
    assert backbone_digest(str(tmp_path / "one")) != backbone_digest(str(tmp_path / "two"))


def test_random_weights_are_known_by_what_they_are_drawn_from(small_dataset, settings):
    digest = backbone_digest("t5-small", vocabulary_size=9, overrides={"d_ff": 4}, seed=1)
    others = (
        backbone_digest("t5-base", vocabulary_size=9, overrides={"d_ff": 4}, seed=1),
        backbone_digest("t5-small", vocabulary_size=8, overrides={"d_ff": 4}, seed=1),
        backbone_digest("t5-small", vocabulary_size=9, overrides={"d_ff": 8}, seed=1),
        backbone_digest("t5-small", vocabulary_size=9, overrides={"d_ff": 4}, seed=2),
    )
    assert len({digest, *others}) == 5
    again = backbone_digest("t5-small", vocabulary_size=9, overrides={"d_ff": 4}, seed=1)
    assert again == digest
    manifest = load_manifest(small_dataset)
    preset = dataclasses.replace(settings, model=ResolvedModel("t5-tiny"))
    known = with_fingerprints(preset, manifest)
    for change, message in (
        ({"seed": 7}, "seed was 0, now 7; use"),
        ({"model": ResolvedModel("t5-base")}, "model.backbone: t5-base is another T5 than t5-tiny"),
    ):
        other = with_fingerprints(dataclasses.replace(preset, **change), manifest)
        with pytest.raises(UsageError, match=message):
            check_same_run(known, other, "run")


@pytest.mark.parametrize(
    "change", [{"seed": 7}, {"model": ResolvedModel("t5-tiny", {"num_heads": 2})}]
)
def test_a_preset_whose_config_was_changed_by_hand_is_not_scored(settings, small_dataset, change):
    preset = dataclasses.replace(settings, model=ResolvedModel("t5-tiny"))
    known = with_fingerprints(preset, load_manifest(small_dataset))
    with pytest.raises(
        WeightsError, match=r"config.yaml was changed: the preset t5-tiny with seed"
    ):
        build_backbone(dataclasses.replace(known, **change))


def test_a_backbone_that_changed_is_not_scored(printed, tmp_path):
    write_t5(tmp_path / "t5", seed=1)
    with pytest.raises(WeightsError, match=r"t5 holds another T5 now than this run was trained on"):
        build_backbone(printed)


def test_a_run_from_before_heads_goes_on(small_dataset, tmp_path):
    config = RunConfig(dataset=str(small_dataset), run=str(tmp_path / "run"))
    now, _ = resolve_run(config)
    tree = now.as_dict()
    del tree["heads"]
    check_same_run(parse_settings(tree, "config.yaml"), now, "run")
    headed, _ = resolve_run(dataclasses.replace(config, heads=HeadsConfig(tasks="all")))
    with pytest.raises(UsageError, match=r"heads\.tasks"):
        check_same_run(now, headed, "run")
