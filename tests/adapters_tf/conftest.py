"""A T5 small enough to build in a second, and a batch of uneven lengths for it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
import yaml
from tf_keras.src.backend import RandomGenerator
from transformers import T5Config, TFT5ForConditionalGeneration

from adapters_tf import TaskModel, load_backbone, load_task, save_task
from adapters_tf.runs.loading import build_model, trainable_checkpoint
from adapters_tf.runs.settings import parse_settings
from eval import GreedyModel

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "dropout_rate": 0.0}


@pytest.fixture
def make_backbone():
    def make(seed=0, **overrides):
        return load_backbone(
            "t5-tiny", vocabulary_size=100, overrides={**SMALL, **overrides}, seed=seed
        )

    return make


@pytest.fixture
def batch(uneven_batch):
    return {key: tf.constant(value) for key, value in uneven_batch().items()}


GOLDEN = Path(__file__).parent / "golden"
WORDS = ["yes", "no", "red", "green", "blue", "maybe", "0", "1", "2", "3", "4", "5", "."]
SENTINELS = 10
TASKS = ("first", "second", "third")


@pytest.fixture
def make_model(make_backbone):
    """A small T5 with an adapter method whose every variable is away from its start."""

    def make(method, tasks=TASKS, seed=0, deviation=0.3, backbone=None, **keywords):
        model = TaskModel(backbone or make_backbone(), tasks, method, seed=seed, **keywords)
        random = np.random.default_rng(seed)
        for variable in model.trainable_variables:
            variable.assign_add(random.normal(0, deviation, variable.shape))
        return model

    return make


@pytest.fixture
def assert_routes_by_example(make_model, uneven_batch):
    """Each row of a mixed batch gives what its task alone gives."""

    def check(method):
        model = make_model(method, routing="example")
        tasks = np.array([0, 1, 2, 0, 2, 2, 1, 0], np.int32)
        mixed = model({**uneven_batch(), "task": tf.constant(tasks)}).numpy()
        model.is_routed_by_example = False
        answers = []
        for task in range(3):
            alone = model({**uneven_batch(), "task": tf.fill([8], task)}).numpy()
            np.testing.assert_allclose(mixed[tasks == task], alone[tasks == task], atol=1e-5)
            answers.append(alone)
        assert np.abs(answers[0] - answers[1]).max() > 1e-3

    return check


@pytest.fixture
def assert_saves_and_loads(make_model, batch, tmp_path):
    """A task's folder, read under another name into another bank, answers the same."""

    def check(method):
        model = make_model(method, seed=1)
        folder = save_task(model, "second", tmp_path / "second")
        other = make_model(method, ("third", "renamed"), seed=2)
        before = {path: v.numpy() for path, v in other.trainable_by_path().items()}
        expected = model(batch).numpy()
        assert np.abs(other(batch).numpy() - expected).max() > 1e-3
        load_task(other, "renamed", folder)
        np.testing.assert_array_equal(other(batch).numpy(), expected)
        for path, variable in other.trainable_by_path().items():
            if other.is_bank(variable):
                np.testing.assert_array_equal(variable[0], before[path][0])

    return check


@pytest.fixture
def assert_decodes_step_by_step(make_model):
    """Every token decoded with a cache is the one the whole model gives after those before it."""

    def check(method, length=8, deviation=0.3):
        # Written by benchmarks/torch_golden.py; unlike `make_backbone`'s it doesn't repeat itself.
        backbone = load_backbone(str(GOLDEN / "t5_v1_1"))
        model = make_model(method, deviation=deviation, backbone=backbone)
        random = np.random.default_rng(0)
        inputs = random.integers(2, 96, (9, 11)) * (np.arange(11) < [[n] for n in range(1, 10)])
        decode = tf.function(GreedyModel(model, length=length), jit_compile=True, autograph=False)
        answers = []
        for task in (0, 2):
            batch = {
                "encoder_input_tokens": tf.constant(inputs, tf.int32),
                "task": tf.fill([9], task),
            }
            decoded = decode(batch).numpy()
            shifted = np.pad(decoded[:, :-1], [(0, 0), (1, 0)])
            best = model({**batch, "decoder_input_tokens": tf.constant(shifted)}).numpy().argmax(-1)
            has_ended = np.cumsum(shifted == 1, axis=1) > 0
            np.testing.assert_array_equal(decoded, np.where(has_ended, 0, best))
            answers.extend(decoded)
        assert len({row.tobytes() for row in answers}) > 3
        assert np.mean([len(set(row)) for row in answers]) > 2

    return check


@pytest.fixture(scope="session")
def adapt_t5_base():
    """T5-base with adapters, but for the vocabulary, which no adapter's size depends on.

    Its weights are zeros, for most of a build's time goes into drawing two hundred million numbers.
    """

    def adapt(tasks, methods, **keywords):
        config = T5Config(
            d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, vocab_size=32
        )
        with pytest.MonkeyPatch.context() as patch:
            for name in ("random_normal", "truncated_normal", "random_uniform"):
                patch.setattr(RandomGenerator, name, _draw_zeros)
            backbone = TFT5ForConditionalGeneration(config)
            backbone.build_in_name_scope()
        return TaskModel(backbone, tasks, methods, **keywords)

    return adapt


def _draw_zeros(self, shape, *arguments, dtype=tf.float32, **keywords):
    return tf.zeros(shape, dtype)


@pytest.fixture(scope="session")
def make_dataset():
    """Writes what tokenizer files are made of: a vocabulary and the manifest that names it."""

    def make(folder, kind="unigram"):
        rows = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(rows * 3),
            model_prefix=str(folder / "spiece"),
            model_type=kind,
            vocab_size=40,
            hard_vocab_limit=False,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            minloglevel=2,
        )
        entry = {"file": "spiece.model", "sentinels": SENTINELS}
        (folder / "dataset.json").write_text(json.dumps({"vocabulary": entry}))
        return folder

    return make


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, make_dataset):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def make_run(tmp_path_factory, dataset):
    """Writes a run folder whose adapters are not at their start."""

    def make(method, settings, seed=0, **more):
        folder = tmp_path_factory.mktemp("run")
        sha256 = hashlib.sha256((dataset / "spiece.model").read_bytes()).hexdigest()
        model = {"backbone": str(GOLDEN / "t5"), "vocabulary_size": 96, "overrides": {}}
        adapters = {"method": method, "settings": settings, "train_layer_norms": False, **more}
        config = {"model": model, "adapters": adapters, "tasks": ["rte", "cola"], "seed": 0}
        config |= {"data": {"batch_size": 4, "input_length": 8}}
        config |= {"training": {"precision": "float32"}}
        config |= {"dataset": str(dataset), "run": str(folder), "vocabulary_sha256": sha256}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        built = build_model(parse_settings(config, "config.yaml"))
        random = np.random.default_rng(seed)
        for variable in built.trainable_variables:
            variable.assign_add(random.normal(0, 0.2, variable.shape).astype(np.float32))
        step = tf.Variable(7, dtype=tf.int64)
        trainable_checkpoint(built, step=step).save(str(folder / "best" / "checkpoint"))
        save_task(built, "rte", folder / "adapters" / "rte")
        return folder

    return make


@pytest.fixture
def sentences(uneven_batch):
    """A batch of the run's second task."""
    batch = uneven_batch(task=1)
    return {key: tf.constant(np.minimum(value, 95)) for key, value in batch.items()}
