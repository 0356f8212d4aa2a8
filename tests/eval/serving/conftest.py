"""A dataset of every kind of task and runs on it, with random adapters and heads."""

import json

import numpy as np
import pytest
import tensorflow as tf
import yaml

from adapters_tf import build_model
from adapters_tf.runs.loading import trainable_checkpoint
from adapters_tf.runs.settings import parse_settings
from prep import load_manifest
from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.tasks.tasks_file import load_tasks

SMALL = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_heads": 2}
SMALL |= {"num_layers": 1, "num_decoder_layers": 1}
COMMON = """
  folder: things
  files: {train: train.jsonl, validation: valid.jsonl}
"""
TASKS = """
- name: colour
  kind: classification
  inputs: "colour of {thing}: {text} {{{thing}}}"
  targets: "{colour}"
  labels: {red: red, blue: blue, green: green}
  metrics: [accuracy]
- name: size
  kind: regression
  inputs: "size: {text}"
  targets: "{size}"
  metrics: [pearson]
- name: place
  kind: multiple_choice
  choices: ["{text} here", "{text} there", "{text} away"]
  targets: "{place}"
  labels: {0: here, 1: there, 2: away}
  metrics: [accuracy]
- name: owner
  kind: classification
  inputs: "owner: {text}"
  targets: "{owner}"
  labels: {ann: ann, bob: bob}
  metrics: [accuracy]
- name: mood
  kind: classification
  inputs: "mood: {text}"
  targets: "{owner}"
  labels: {ann: ann is glad, bob: bob is not}
  metrics: [accuracy]
- name: ending
  kind: generation
  truncation: head_tail
  max_input_length: 9
  inputs: "ending: {text}"
  targets: "{text}"
  metrics: [exact_match]
""".replace("\n  kind", f"{COMMON.rstrip()}\n  kind")


@pytest.fixture(scope="session")
def things(tmp_path_factory):
    """A folder with the dataset `data`, the declarations `tasks.yaml` and the rows `rows`."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "tasks.yaml").write_text(TASKS)
    (folder / "raw" / "things").mkdir(parents=True)
    chance = np.random.default_rng(0)
    for name, count in (("train", 20), ("valid", 6)):
        rows = [make_row(chance, number) for number in range(count)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "raw" / "things" / f"{name}.jsonl").write_text(lines)
    (folder / "rows").write_text(lines)
    tasks, vocabulary = load_tasks(folder / "tasks.yaml"), folder / "spiece.model"
    train_vocabulary(task_texts(tasks, folder / "raw"), vocabulary, 120, words_to_keep(tasks))
    places = {"vocabulary": vocabulary, "data_dir": folder / "raw", "out": folder / "data"}
    build_dataset(BuildOptions(tasks=tasks, **places, max_input_length=20, max_target_length=6))
    return folder


def make_row(chance, number):
    text = " ".join(chance.choice(["ann", "bob", "has", "a", "red", "blue", "cup"], number + 2))
    place, size = int(chance.integers(3)), round(float(chance.normal()), 2)
    return {
        "text": text,
        "thing": "a cup",
        "colour": str(chance.choice(["red", "blue", "green"])),
        "size": size,
        "place": place,
        "owner": str(chance.choice(["ann", "bob"])),
    }


@pytest.fixture(scope="session")
def make_run(things, tmp_path_factory):
    """Write a run as the trainer does, with random weights where tasks differ."""

    def make(tasks, heads=(), adapters=None, routing="batch"):
        folder, data = tmp_path_factory.mktemp("run"), things / "data"
        manifest = load_manifest(data)
        entries = {name: manifest.task(name) for name in heads}
        kinds = {name: entry.kind for name, entry in entries.items()}
        config = {
            "dataset": str(data),
            "run": str(folder),
            "tasks": list(tasks),
            "seed": 0,
            "model": {
                "backbone": "t5-tiny",
                "overrides": SMALL,
                "vocabulary_size": manifest.vocabulary.size,
            },
            "adapters": {
                "method": "bottleneck",
                "settings": {"bottleneck": {"reduction_factor": 4}},
                "train_layer_norms": False,
                **(adapters or {}),
            },
            "data": {
                "batch_size": 4,
                "input_length": 18,
                "target_length": 6,
                "routing": routing,
            },
            "training": {"precision": "float32"},
            "heads": {
                "tasks": list(heads),
                "kinds": kinds,
                "answers": {
                    name: 1 if kinds[name] == "regression" else len(entry.label_words)
                    for name, entry in entries.items()
                },
            },
            "vocabulary_sha256": manifest.vocabulary.sha256,
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        model = build_model(parse_settings(config, "config.yaml"))
        generator = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(generator.normal(0, 0.5, variable.shape))
        checkpoint = trainable_checkpoint(model, step=tf.Variable(7, dtype=tf.int64))
        tf.train.CheckpointManager(checkpoint, str(folder / "best"), max_to_keep=1).save()
        return folder

    return make
