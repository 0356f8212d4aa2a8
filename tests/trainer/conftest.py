"""A small T5, a small dataset folder of embedded tasks, and an empty bucket."""

import json
import shutil
import sys
import tempfile
import warnings

import pytest

from adapters_tf import BottleneckConfig, TaskModel, load_backbone
from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.commands.split_options import parse_selection
from prep.tasks import get_task
from tests.gcs_emulator.server import Emulator
from trainer.optimizers.groups import group_by_variable
from trainer.optimizers.registry import OPTIMIZERS

# One layer a stack: tracing for four replicas takes seconds a layer.
SMALL = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_heads": 4,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "dropout_rate": 0.0,
}
TASKS = ("a", "b", "c")


def _make_model(adapters=True, seed=0, routing="batch", train_layer_norms=True, **overrides):
    """A three-task model with adapters, those of a method, or without."""
    backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL | overrides, seed=seed)
    config = BottleneckConfig(reduction_factor=8) if adapters is True else adapters or None
    return TaskModel(
        backbone,
        TASKS,
        config,
        train_layer_norms=train_layer_norms,
        seed=seed,
        routing=routing,
    )


def _make_optimizer(model, name="adamw", rate=1e-2, **settings):
    """An optimizer of a model, built, that measures norms as a run's does."""
    given = {"clip_norm": 1.0, "group_of": group_by_variable(model), **settings}
    optimizer = OPTIMIZERS[name](rate, model.is_bank, **given)
    optimizer.build(model.trainable_variables)
    return optimizer


# Tests get these as fixtures, since they can't import from here.
make_model, make_optimizer = (
    pytest.fixture(lambda function=function: function, scope="session", name=function.__name__[1:])
    for function in (_make_model, _make_optimizer)
)


@pytest.fixture(scope="session", autouse=True)
def no_curves():
    """Runs draw no curves: a second each, where `run/test_curves.py` and the pages look at them."""
    if "trainer.fit" not in sys.modules:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.fit.write_curves", lambda folder, lines, tasks: "")
        yield


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """A dataset folder of three embedded tasks."""
    folder = tmp_path_factory.mktemp("small")
    names = ("synthetic_entailment", "synthetic_similarity", "synthetic_choice")
    tasks = tuple(get_task(name) for name in names)
    vocabulary = folder / "spiece.model"
    train_vocabulary(task_texts(tasks, None), vocabulary, 300, words_to_keep(tasks))
    options = BuildOptions(
        tasks=tasks,
        vocabulary=vocabulary,
        out=folder / "dataset",
        max_input_length=32,
        max_target_length=8,
        workers=1,
    )
    build_dataset(options)
    return folder / "dataset"


@pytest.fixture(scope="session")
def build_shards(small_dataset, tmp_path_factory):
    """Builds tasks of the small dataset in several shards; returns the folder and its manifest."""

    def build(tasks, examples, shard_records, *, input_length=64, pack=False):
        out = tmp_path_factory.mktemp("shards") / "dataset"
        options = BuildOptions(
            tasks=tuple(map(get_task, tasks)),
            vocabulary=small_dataset / "spiece.model",
            out=out,
            max_input_length=input_length,
            max_target_length=8,
            pack=pack,
            selection=parse_selection([], [], examples, 0),
            shard_records=shard_records,
            workers=1,
        )
        return out, build_dataset(options)

    return build


@pytest.fixture(scope="session")
def without_validation():
    """Copies a dataset folder, without the splits to validate on; returns the copy."""

    def copy(dataset, folder):
        shutil.copytree(dataset, folder)
        manifest = json.loads((folder / "dataset.json").read_text())
        for task in manifest["tasks"].values():
            del task["splits"]["validation"]
        (folder / "dataset.json").write_text(json.dumps(manifest))
        return folder

    return copy


@pytest.fixture(scope="session")
def go_back():
    """Makes a finished run one that was killed at a checkpoint: what came later is gone."""

    def go(run, step):
        checkpoints = run / "checkpoints"
        for file in checkpoints.glob("ckpt-*.index"):
            if int(file.stem.removeprefix("ckpt-")) > step:
                for part in checkpoints.glob(f"{file.stem}.*"):
                    part.unlink()
        state = f'model_checkpoint_path: "ckpt-{step}"\nall_model_checkpoint_paths: "ckpt-{step}"\n'
        (checkpoints / "checkpoint").write_text(state)
        shutil.rmtree(run / "best", ignore_errors=True)
        (run / "best.json").unlink(missing_ok=True)

    return go


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("gcs")).serving() as emulator:
        yield emulator


@pytest.fixture
def bucket(emulator, monkeypatch, tmp_path):
    """The name of an empty bucket that Google's client finds; temporary files have a place."""
    with warnings.catch_warnings():
        # Google's client tells when it will leave this Python behind, and what else to install.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", ImportWarning)
        from prep.storage import bucket as prep_bucket
    emulator.clear()
    emulator.store.create_bucket("runs")
    for name, value in emulator.client_settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("trainer.callbacks.pushing.EVERY", 0.0)  # these steps are fast
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    quick = prep_bucket.RETRY.with_delay(initial=0.01, maximum=0.05).with_timeout(2.0)
    monkeypatch.setattr(prep_bucket, "RETRY", quick)
    yield "runs"
    emulator.faults.clear()


@pytest.fixture
def objects(emulator, bucket):
    return emulator.store.buckets[bucket]


@pytest.fixture(autouse=True)
def in_float32():
    """A test in another precision leaves none of it to the next, whose losses would be others."""
    yield
    if "tf_keras" in sys.modules:
        sys.modules["tf_keras"].mixed_precision.set_global_policy("float32")
