"""What cannot work is refused before data is read and a model is built."""

import dataclasses
import shutil

import pytest

from adapters_tf import ConfigurationError, WeightsError
from prep import UsageError, load_manifest
from trainer.fit import train
from trainer.run.folder import check_run_folder, create_run, has_begun
from trainer.settings.checks import check_config, check_run, check_start
from trainer.settings.config import (
    AdapterConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainer.settings.resolving import resolve


@pytest.fixture
def config(small_dataset, tmp_path):
    return RunConfig(dataset=str(small_dataset), run=str(tmp_path / "run"))


@pytest.fixture
def without_shards(small_dataset, tmp_path):
    """The dataset with its manifest and no shard: whoever reads data fails in another way."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    shutil.copy(small_dataset / "dataset.json", folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": ""}, "--dataset is missing"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"optimizer": OptimizerConfig(name="adam")}, "optimizer.name 'adam' is unknown; did you"),
        ({"optimizer": OptimizerConfig(schedule="liner")}, "optimizer.schedule 'liner' .*'linear'"),
        ({"training": TrainingConfig(steps=0)}, "training.steps must be above 0, got 0"),
        (
            {"training": TrainingConfig(steps=10**20)},
            "training.steps must be at most 2,147",
        ),
        ({"training": TrainingConfig(max_skipped_steps=0)}, "max_skipped_steps must be above 0"),
        ({"training": TrainingConfig(loss_chunk=-1)}, "training.loss_chunk must be 0 or more"),
        ({"training": TrainingConfig(z_loss=float("nan"))}, "z_loss must be a finite number, got"),
        ({"training": TrainingConfig(wait_for_space=float("inf"))}, "wait_for_space must be a fin"),
        ({"training": TrainingConfig(label_smoothing=1.0)}, "label_smoothing must be below 1"),
        ({"seed": 2**32}, "seed must be at most 4,294,967,295, got 4294967296"),
        ({"data": DataConfig(batch_size=2**31)}, "data.batch_size must be at most 2,147,483,647"),
        ({"data": DataConfig(lanes=0)}, "data.lanes must be above 0, got 0"),
        ({"data": DataConfig(temperature=0.0)}, "data.temperature must be above 0"),
    ],
)
def test_settings_alone(config, changes, message):
    check_config(config)
    with pytest.raises(UsageError, match=message):
        check_config(dataclasses.replace(config, **changes))


def test_a_cluster_that_cannot_be_is_refused(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    with pytest.raises(ConfigurationError, match="says that this is no job -1, and its cluster"):
        check_config(config)


def test_a_backbone_that_starts_otherwise_is_not_trained_on():
    check_start(0, "t5")
    with pytest.raises(UsageError, match=r"answers of t5 begin with token 3 .* with 0: it cannot"):
        check_start(3, "t5")


def test_settings_and_dataset(config, small_dataset):
    manifest = load_manifest(small_dataset)
    settings = resolve(config, manifest)
    check_run(settings, manifest)
    choice = manifest.task("synthetic_choice")
    tasks = {
        **manifest.tasks,
        choice.name: dataclasses.replace(choice, metrics=("accuracy", "acuracy")),
    }
    odd = dataclasses.replace(manifest, tasks=tasks)
    with pytest.raises(UsageError, match="'synthetic_choice': there is no metric 'acuracy'; did"):
        check_run(settings, odd)
    training = dataclasses.replace(settings.training, best_metric="synthetic_choice/f1")
    with pytest.raises(UsageError, match="best_metric 'synthetic_choice/f1' is unknown"):
        check_run(dataclasses.replace(settings, training=training), manifest)
    adapters = AdapterConfig("lorra")
    with pytest.raises(ConfigurationError, match="'lorra' is unknown; did you mean 'lora'"):
        check_run(dataclasses.replace(settings, adapters=adapters), manifest)


def test_frozen_matrices_are_kept_in_bfloat16_only_where_that_changes_nothing(
    config, without_shards
):
    config = dataclasses.replace(config, dataset=str(without_shards))
    model, mixed = ModelConfig(frozen_dtype="bfloat16"), TrainingConfig(precision="mixed_bfloat16")
    with pytest.raises(UsageError, match=r"would round .* float32 computes with; use mixed_bf"):
        train(dataclasses.replace(config, model=model))
    whole = AdapterConfig(method="none")
    with pytest.raises(UsageError, match=r"none trains the whole backbone; choose .*model.freeze"):
        train(dataclasses.replace(config, model=model, training=mixed, adapters=whole))
    # These go on to the data, which is not there.
    parts = dataclasses.replace(model, freeze=["embeddings"])
    for adapters, chosen in ((AdapterConfig(), model), (whole, parts)):
        with pytest.raises(ValueError, match=r"shard .* is missing"):
            train(dataclasses.replace(config, model=chosen, training=mixed, adapters=adapters))


def test_another_configuration_is_refused_before_data_is_read(config, without_shards):
    config = dataclasses.replace(config, dataset=str(without_shards))
    settings = resolve(config, load_manifest(without_shards))
    checkpoints = create_run(settings) / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "ckpt-5.index").touch()
    check_run_folder(settings)
    assert has_begun(settings)
    other = dataclasses.replace(config, optimizer=OptimizerConfig(learning_rate=0.5))
    with pytest.raises(UsageError, match=r"optimizer.learning_rate was 0.0003, now 0.5"):
        train(other)
    # The same settings go on to the data, which is not there.
    with pytest.raises(ValueError, match=r"shard .* is missing"):
        train(config)


@pytest.mark.parametrize(
    ("adapters", "error", "message"),
    [
        ({"start_from": {"synthetic_choise": "x"}}, WeightsError, "did you mean 'synthetic_choice"),
        ({"start_from": {"synthetic_choice": "nowhere"}}, WeightsError, "nowhere holds no adapter"),
        ({"start_from": "nowhere"}, WeightsError, "nowhere holds no trained adapters"),
        ({"nearest_by": "tasks.npz"}, ConfigurationError, "needs adapters.start_from"),
        ({"method": "fusion"}, ConfigurationError, "`of` is missing"),
        ({"stack_on": {"of": "nowhere"}}, WeightsError, "nowhere holds no trained adapters"),
    ],
)
def test_adapters_that_are_not_there_are_refused_first(
    config, without_shards, adapters, error, message
):
    config = dataclasses.replace(
        config, dataset=str(without_shards), adapters=AdapterConfig(**adapters)
    )
    with pytest.raises(error, match=message):
        train(config)


def test_lanes_that_cannot_be(config, small_dataset):
    manifest = load_manifest(small_dataset)
    task = next(iter(manifest.tasks))
    rows = manifest.task(task).split("train").examples
    for lanes, batch_size, message in (
        (3, 8, "data.lanes 3 must divide data.batch_size, which is 8"),
        (
            2 * rows,
            2 * rows,
            f"data.lanes is {2 * rows:,}, and {task} has {rows:,} rows in its split",
        ),
    ):
        data = DataConfig(batch_size=batch_size, lanes=lanes)
        settings = resolve(dataclasses.replace(config, tasks=task, data=data), manifest)
        with pytest.raises(UsageError, match=message):
            check_run(settings, manifest)


def test_what_no_validation_would_compute(config, small_dataset):
    manifest = load_manifest(small_dataset)
    choice = manifest.task("synthetic_choice")
    splits = {name: split for name, split in choice.splits.items() if name != "validation"}
    tasks = {**manifest.tasks, choice.name: dataclasses.replace(choice, splits=splits)}
    without = dataclasses.replace(manifest, tasks=tasks)

    def check(best="mean", split="validation", manifest=without):
        training, data = TrainingConfig(best_metric=best), DataConfig(validation_split=split)
        check_run(
            resolve(dataclasses.replace(config, training=training, data=data), manifest), manifest
        )

    check()
    check("synthetic_entailment/accuracy")
    with pytest.raises(UsageError, match="'synthetic_choice' has no split 'validation'"):
        check("synthetic_choice/accuracy")
    check("synthetic_choice/accuracy", split="test")
    with pytest.raises(UsageError, match="no task has a split 'tset'; did you mean 'test'"):
        check(split="tset")
    judged = dataclasses.replace(choice, metrics=("accuracy", "log_loss"))
    with_errors = dataclasses.replace(manifest, tasks={**manifest.tasks, choice.name: judged})
    with pytest.raises(UsageError, match="'synthetic_choice/log_loss' is unknown"):
        check("synthetic_choice/log_loss", manifest=with_errors)


def test_a_task_named_twice(config, small_dataset):
    twice = dataclasses.replace(config, tasks="synthetic_choice, synthetic_choice")
    with pytest.raises(UsageError, match="tasks: 'synthetic_choice' is named twice"):
        resolve(twice, load_manifest(small_dataset))
