import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
import yaml

from adapters_tf import build_model, load_backbone
from adapters_tf.model.task_model import TaskModel
from adapters_tf.runs.loading import trainable_checkpoint
from adapters_tf.runs.settings import parse_settings
from prep import (
    Manifest,
    ShardEntry,
    SplitEntry,
    TaskEntry,
    Vocabulary,
    VocabularyEntry,
    write_manifest,
)
from prep.records.encoder import RecordEncoder

# Written by benchmarks/torch_golden.py --write.
GOLDEN = Path(__file__).parents[1] / "adapters_tf" / "golden"
WORDS = ["yes", "no", "red", "green", "blue", "maybe", "0", "1", "2", "3", "4", "5", "."]
EXAMPLES = 13
TASKS = {
    "colour": ("classification", ("yes", "no"), ("accuracy", "f1")),
    "pick": ("multiple_choice", ("maybe red", "maybe blue"), ("accuracy",)),
    "grade": ("regression", (), ("pearson", "spearman")),
    "copy": ("generation", (), ("exact_match",)),
}


@pytest.fixture(scope="session")
def golden():
    def load(name="t5_v1_1"):
        return load_backbone(str(GOLDEN / name)), np.load(GOLDEN / name / "expected.npz")

    return load


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    lines = [" ".join(WORDS[start:] + WORDS[:start]) for start in range(len(WORDS))]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 3),
        model_prefix=str(folder / "tiny"),
        model_type="word",
        vocab_size=len(WORDS) + 3,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return folder / "tiny.model"


def make_example(task: str, number: int) -> tuple[str, str, int]:
    inputs = " ".join(WORDS[(number * 3 + step) % 6] for step in range(number % 5 + 1))
    _, label_words, _ = TASKS[task]
    if label_words:
        return inputs, label_words[number % 2], number % 2
    return inputs, str(number % 6) if task == "grade" else inputs, -1


def write_shard(folder: Path, name: str, task: str, numbers: list[int], vocabulary: Vocabulary):
    encoder = RecordEncoder(vocabulary.size)
    content, input_tokens, target_tokens = b"", 0, 0
    for number in numbers:
        inputs, targets, label = make_example(task, number)
        input_ids, target_ids = ([*vocabulary.encode(text), 1] for text in (inputs, targets))
        messages = encoder.messages([number], [input_ids], [encoder.answer(label, target_ids)])
        content += encoder.frame_all(messages)
        input_tokens, target_tokens = input_tokens + len(input_ids), target_tokens + len(target_ids)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    import google_crc32c

    crc = f"{google_crc32c.value(content):08x}"
    return ShardEntry(name, len(numbers), len(content), crc, input_tokens, target_tokens)


def make_split(folder: Path, task: str, split: str, vocabulary: Vocabulary) -> SplitEntry:
    # The later half comes first: what is written must be back in the source's order.
    halves = [list(range(7, EXAMPLES)), list(range(7))]
    shards = tuple(
        write_shard(folder, f"{task}/{split}-{index}-of-2.tfrecord", task, numbers, vocabulary)
        for index, numbers in enumerate(halves)
    )
    return SplitEntry(EXAMPLES, shards, 0, 0, 6, 6, (), 0, {})


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, vocabulary_file):
    """A dataset folder with one task of each kind; its examples are in another order."""
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "spiece.model").write_bytes(vocabulary_file.read_bytes())
    vocabulary = Vocabulary(folder / "spiece.model", 0)
    tasks = {}
    for name, (kind, label_words, metrics) in TASKS.items():
        tasks[name] = TaskEntry(
            name=name,
            kind=kind,
            label_words=label_words,
            label_token_ids=tuple(tuple(vocabulary.encode(word)) for word in label_words),
            metrics=metrics,
            decoding_length=6 if name == "copy" else 4,
            mixture_size=EXAMPLES,
            splits={
                split: make_split(folder, name, split, vocabulary)
                for split in ("train", "validation")
            },
        )
    entry = VocabularyEntry("spiece.model", vocabulary.sha256, vocabulary.size, 0)
    write_manifest(folder, Manifest(1, entry, 6, 6, False, 7, tasks))
    return folder


@pytest.fixture(scope="session")
def adapted_model(golden):
    """A golden T5 with one large random adapter per task, so that tasks answer differently."""
    from adapters_tf import BottleneckConfig

    backbone, _ = golden()
    model = TaskModel(backbone, tuple(TASKS), BottleneckConfig(reduction_factor=4))
    randomize(model)
    return model


def randomize(model: TaskModel) -> None:
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if model.is_bank(variable):
            variable.assign(generator.normal(0, 0.5, variable.shape))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, dataset):
    """A run folder as the trainer writes it, with the checkpoint of random adapters."""
    folder = tmp_path_factory.mktemp("run")
    manifest = json.loads((dataset / "dataset.json").read_text())
    config = {
        "dataset": str(dataset),
        "run": str(folder),
        "tasks": list(TASKS),
        "seed": 0,
        "model": {
            "backbone": str(GOLDEN / "t5_v1_1"),
            "overrides": {},
            "vocabulary_size": manifest["vocabulary"]["size"],
        },
        "adapters": {
            "method": "bottleneck",
            "settings": {"bottleneck": {"reduction_factor": 4}},
            "train_layer_norms": False,
        },
        "data": {"batch_size": 4, "input_length": 6, "target_length": 6},
        "training": {"precision": "float32"},
        "vocabulary_sha256": manifest["vocabulary"]["sha256"],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    model = build_model(parse_settings(config, "config.yaml"))
    randomize(model)
    step = tf.Variable(42, dtype=tf.int64, trainable=False)
    checkpoint = trainable_checkpoint(model, step=step)
    tf.train.CheckpointManager(checkpoint, str(folder / "best"), max_to_keep=1).save()
    return folder
