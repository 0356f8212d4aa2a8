"""Runs whose tasks are answered by heads on the encoder, some beside tasks answered in words."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from adapters_tf import (
    ConfigurationError,
    WeightsError,
    load_average,
    load_run,
    load_task,
    task_tensors,
)
from adapters_tf.__main__ import main as adapters
from adapters_tf.task_adapters.head_files import head_tensors
from eval.__main__ import main as evaluate
from eval.predicting.asking import TextAnswerer
from eval.session import open_session
from prep import (
    UsageError,
    load_manifest,
    make_inputs,
    read_split,
    run_command,
)
from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.tasks.tasks_file import load_tasks
from tests.trainer.checkpoint_values import weights_of
from tests.trainer.position_counts import check_positions
from tests.trainer.test_fit import SMALL, spawn
from trainer.__main__ import main
from trainer.batches.schedule import task_schedule

pytestmark = pytest.mark.slow

TASKS = """\
- name: colour
  kind: classification
  folder: things
  files: {train: train.jsonl, validation: valid.jsonl}
  inputs: "colour: {text}"
  targets: "{colour}"
  labels: {red: red, blue: blue, green: green}
  metrics: [accuracy, f1]
- name: size
  kind: regression
  folder: things
  files: {train: train.jsonl, validation: valid.jsonl}
  inputs: "size: {text}"
  targets: "{size}"
  metrics: [pearson]
- name: place
  kind: multiple_choice
  folder: things
  files: {train: train.jsonl, validation: valid.jsonl}
  choices: ["{text} here", "{text} there", "{text} away"]
  targets: "{place}"
  labels: {0: here, 1: there, 2: away}
  metrics: [accuracy]
- name: owner
  kind: classification
  folder: things
  files: {train: train.jsonl, validation: valid.jsonl}
  inputs: "owner: {text}"
  targets: "{owner}"
  labels: {ann: ann, bob: bob}
  metrics: [accuracy]
"""
HEADED = ("--heads.tasks=colour,size,place", "--heads.class_weights=balanced")
ALL = ("--tasks=colour,size,place", *HEADED, "--heads.pooling=attention", "--heads.layers=1")
FEW = (
    "--model.backbone=t5-tiny",
    f"--model.overrides={json.dumps(SMALL)}",
    "--adapters.settings={bottleneck: {reduction_factor: 8}}",
    "--data.batch_size=8",
    "--data.mixture=round",
    "--optimizer.learning_rate=1e-2",
    "--optimizer.schedule=constant",
    "--training.steps=12",
    "--training.log_every=6",
    "--training.validate_every=6",
    "--training.validation_examples=11",
    "--training.checkpoint_every=6",
)


def rows(count, seed):
    """Things of a colour, a size that a word tells, a place and an owner."""
    random = np.random.default_rng(seed)
    sizes = {"tiny": -1.5, "small": 0.25, "big": 3.75}
    for number in range(count):
        colour, owner = (
            random.choice(["red", "red", "blue", "green"]),
            random.choice(["ann", "bob"]),
        )
        size, place = random.choice(list(sizes)), int(random.integers(3))
        where = ("here", "there", "away")[place]
        yield {
            "text": f"{owner} has {number % 7} {size} {colour} things {where}",
            "colour": str(colour),
            "size": sizes[size],
            "place": place,
            "owner": str(owner),
        }


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """A dataset folder of the four tasks."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "tasks.yaml").write_text(TASKS)
    (folder / "raw" / "things").mkdir(parents=True)
    for name, count, seed in (("train", 60, 0), ("valid", 21, 1)):
        lines = "".join(json.dumps(row) + "\n" for row in rows(count, seed))
        (folder / "raw" / "things" / f"{name}.jsonl").write_text(lines)
    tasks = load_tasks(folder / "tasks.yaml")
    vocabulary = folder / "spiece.model"
    train_vocabulary(task_texts(tasks, folder / "raw"), vocabulary, 120, words_to_keep(tasks))
    build_dataset(
        BuildOptions(
            tasks=tasks,
            vocabulary=vocabulary,
            data_dir=folder / "raw",
            out=folder / "data",
            max_input_length=24,
            max_target_length=8,
        )
    )
    return folder / "data"


@pytest.fixture(scope="module")
def unvalidated(things, without_validation, tmp_path_factory):
    """The same without a split to validate on: of a step each run has a program anyway."""
    return without_validation(things, tmp_path_factory.mktemp("unvalidated") / "data")


def train(dataset, run, *extra):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run_command(main, [f"--dataset={dataset}", f"--run={run}", *FEW, *extra]) == 0
    return said.getvalue()


def figures_of(run, kind):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


@pytest.fixture(scope="module")
def mixed(things, tmp_path_factory):
    """Three tasks by heads and one in words."""
    run = tmp_path_factory.mktemp("mixed") / "run"
    return run, train(things, run, *HEADED)


@pytest.fixture(scope="module")
def headed(things, tmp_path_factory):
    """Heads with a layer of their own, and no task in words."""
    run = tmp_path_factory.mktemp("headed") / "run"
    return run, train(things, run, *ALL)


def test_the_run_says_what_it_does(mixed, headed):
    run, said = mixed
    assert "in 3 shapes" in said and "3 texts of" in said
    check_positions(run)
    assert "\nheads " in said and "4 adapters" in said
    settings = yaml.safe_load((run / "config.yaml").read_text())["heads"]
    assert settings["kinds"] == {
        "colour": "classification",
        "size": "regression",
        "place": "multiple_choice",
    }
    assert settings["answers"] == {"colour": 3, "size": 1, "place": 3}
    counts = [row["colour"] for row in rows(60, 0)]
    right = [60 / 3 / counts.count(colour) for colour in ("red", "blue", "green")]
    assert settings["class_weights"] == {"colour": pytest.approx(right, abs=1e-5)}
    figures = figures_of(run, "validation")[-1]
    assert {"colour/f1", "size/pearson", "place/accuracy", "owner/accuracy"} <= set(figures)
    assert "decoder" in headed[1] and "in 2 shapes" in headed[1]
    assert not any(name.startswith("decoder") for name in weights_of(headed[0]))


def test_in_two_parts_it_is_the_same_run(mixed, things, tmp_path, go_back):
    parts = tmp_path / "parts"
    shutil.copytree(mixed[0], parts)
    go_back(parts, 6)
    train(things, parts, *HEADED)
    same = weights_of(mixed[0])
    for name, value in weights_of(parts).items():
        np.testing.assert_array_equal(value, same[name], err_msg=name)


def test_replicas_share_batches_of_every_shape(unvalidated, tmp_path):
    """In a process of its own; dropout differs by replica, so there is none."""
    runs = tmp_path / "one", tmp_path / "two"
    extra = ("--tasks=place,size", "--heads.tasks=all", "--training.steps=4", "--heads.dropout=0")
    extra += (f"--model.overrides={json.dumps({**SMALL, 'dropout_rate': 0.0})}",)
    train(unvalidated, runs[0], *extra)
    devices = ("--distribution.kind=cpu", "--distribution.logical_devices=2")
    process = spawn(unvalidated, runs[1], *FEW, *extra, *devices, "--data.input_length=0")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "2 replicas" in said and "in 2 shapes" in said
    right = weights_of(runs[0])
    for name, value in weights_of(runs[1]).items():
        np.testing.assert_allclose(value, right[name], rtol=1e-4, atol=3e-5, err_msg=name)


def test_a_step_may_take_every_task_whatever_its_shape(unvalidated, tmp_path, go_back):
    """One program of three shapes; the sum of the losses of heads and of words."""
    run, parts = tmp_path / "run", tmp_path / "parts"
    extra = ("--tasks=size,place,owner", "--heads.tasks=size,place")
    extra += ("--training.tasks_per_step=3", "--balancing.method=sum", "--data.lengths=per_task")
    extra += ("--training.steps=4", "--training.checkpoint_every=2", "--training.log_every=1")
    said = train(unvalidated, run, *extra)
    assert "3 a step" in said and "4 of 12 batches" in said
    check_positions(run)
    assert all(
        {f"{task}/loss" for task in ("size", "place", "owner")} <= set(line)
        for line in figures_of(run, "train")
    )
    shutil.copytree(run, parts)
    go_back(parts, 2)
    train(unvalidated, parts, *extra)
    same = weights_of(run)
    for name, value in weights_of(parts).items():
        np.testing.assert_array_equal(value, same[name], err_msg=name)


def test_a_step_of_a_head_leaves_the_decoder_alone(things, tmp_path):
    """With momentum from earlier steps, and weight decay."""
    run = tmp_path / "run"
    extra = ("--adapters.method=none", "--tasks=owner,colour", "--heads.tasks=colour")
    extra += ("--optimizer.weight_decay=0.1", "--data.mixture=weights", "--training.steps=4")
    extra += ("--data.weights={owner: 1, colour: 1}", "--training.keep_checkpoints=9")
    train(things, run, *extra, "--training.checkpoint_every=1", "--training.validate_every=4")
    tasks = task_schedule(0, np.array([0.5, 0.5]), 0, 4)
    assert 1 in tasks[1:] and 0 in tasks
    moved = {"decoder": [], "encoder": []}
    for step in range(2, 5):
        before, after = weights_of(run, step - 1), weights_of(run, step)
        for stack, found in moved.items():
            kernel = next(name for name in after if f"{stack}." in name and "wi" in name)
            found.append(not np.array_equal(before[kernel], after[kernel]))
    assert moved["encoder"] == [True] * 3
    assert moved["decoder"] == (tasks[1:] == 0).tolist()
    assert (run / "backbone").is_dir()
    assert (run / "heads" / "colour" / "head.safetensors").is_file()


def test_heads_answer_in_float32_whatever_the_precision(unvalidated, tmp_path):
    mixed = ("--training.precision=mixed_bfloat16", "--training.steps=2")
    assert "done: step 2" in train(unvalidated, tmp_path / "run", *ALL, *mixed)
    tensors = load_file(str(tmp_path / "run" / "adapters" / "size" / "head.safetensors"))
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}


def test_a_head_is_saved_beside_its_adapter_and_comes_back(headed, things, tmp_path):
    run = headed[0]
    tensors = load_file(str(run / "adapters" / "size" / "head.safetensors"))
    assert tensors["output_kernel"].shape == (32, 1) and tensors["query"].shape == (32,)
    config = json.loads((run / "adapters" / "colour" / "head_config.json").read_text())
    assert config["kind"] == "classification" and config["answers"] == 3
    trained, fresh = load_run(run).model, load_run(run, "none").model
    for task in ("colour", "size", "place"):
        load_task(fresh, task, run / "adapters" / task)
    manifest = load_manifest(things)
    for number, task in enumerate(("colour", "size")):
        table = read_split(things, manifest, task, "validation")
        batch = make_inputs(table, np.arange(5), input_length=24, task=number)
        np.testing.assert_allclose(fresh.answer(batch), trained.answer(batch), atol=1e-6)
    with pytest.raises(WeightsError, match="kind 'classification', not 'regression'"):
        load_task(fresh, "size", run / "adapters" / "colour")
    later = tmp_path / "later"
    start = f"--adapters.start_from={{colour: {run}/adapters/colour, size: {run}/adapters/colour}}"
    said = train(things, later, *ALL, start, "--training.steps=1")
    assert f"colour starts from {run}/adapters/colour\n" in said
    assert f"size starts from {run}/adapters/colour, its head anew" in said


@pytest.mark.parametrize("headed_ones", ["owner,size", "size"])
def test_a_run_with_heads_grows_by_a_task_with_more_classes(headed_ones, things, tmp_path, capsys):
    """Beside heads only, and beside a task in words, of whose decoder the new one has no part."""
    run, out = tmp_path / "run", tmp_path / "out"
    few = ("--training.steps=2", "--training.validate_every=0")
    train(things, run, "--tasks=owner,size", f"--heads.tasks={headed_ones}", *few)
    asked = [f"--run={run}", f"--dataset={things}", f"--out={out}", "--task=colour", "--steps=2"]
    more = ["--heads.tasks=colour", "--from=owner"]
    assert run_command(main, ["add-task", *asked, *more]) == 0, capsys.readouterr()
    before, after = load_run(run).model, load_run(out)
    assert after.settings.heads.answers["colour"] == 3 and after.model.heads.outputs == 3
    for task in headed_ones.split(","):
        right, found = head_tensors(before, task), head_tensors(after.model, task)
        assert all(right[name].tobytes() == found[name].tobytes() for name in right)
    for task in ("owner", "size"):
        files = sorted((run / "adapters" / task).iterdir())
        assert files and all(
            file.read_bytes() == (out / "adapters" / task / file.name).read_bytes()
            for file in files
        )
    exported = load_file(str(out / "adapters" / "colour" / "head.safetensors"))
    np.testing.assert_array_equal(
        exported["output_kernel"], head_tensors(after.model, "colour")["output_kernel"]
    )
    assert exported["output_kernel"].shape == (32, 3)
    assert (out / "checkpoints").exists() == (headed_ones == "owner,size")
    assert evaluate([f"--run={out}"]) == 0


def test_a_run_with_heads_grows_by_a_task_in_words(things, tmp_path, capsys):
    """Merged of both: of the decoder only one has trained. How heads are built says nothing."""
    run, out = tmp_path / "run", tmp_path / "out"
    few = ("--training.steps=2", "--training.validate_every=0", "--heads.layers=1")
    train(things, run, "--tasks=owner,size", "--heads.tasks=size", *few)
    asked = [f"--run={run}", f"--dataset={things}", f"--out={out}", "--task=colour", "--steps=1"]
    still = ["--from=owner,size", "--optimizer.learning_rate=1e-9"]
    assert run_command(main, ["add-task", *asked, *still]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "from the mean of owner, size, its decoder's adapters from owner; all else" in said
    grown = load_run(out).model
    owner, size, colour = (task_tensors(grown, one) for one in ("owner", "size", "colour"))
    for path, value in colour.items():
        right = owner[path] if path.startswith("decoder.") else (owner[path] + size[path]) / 2
        np.testing.assert_allclose(value, right, atol=1e-6, err_msg=path)
    assert evaluate([f"--run={out}", "--tasks=colour"]) == 0


def test_evaluation_answers_as_validation_did(mixed, things):
    run = mixed[0]
    assert evaluate([f"--run={run}", "--checkpoint=last"]) == 0
    document = json.loads((run / "eval" / "validation.json").read_text())["tasks"]
    assert document["colour"]["answered_by"] == "head" != document["owner"]["answered_by"]
    lines = (run / "eval" / "validation.predictions.jsonl").read_text().splitlines()
    found = {}
    for line in map(json.loads, lines):
        found.setdefault(line["task"], []).append(line)
    assert [one["example"] for one in found["place"]] == list(range(21))
    assert all(one["input"].count("</s>") == 2 for one in found["place"])
    # In batches of another size, the last of them not full, from texts.
    session = open_session(str(run), checkpoint="last", batch_size=4)
    for task in ("colour", "size", "place"):
        answers = TextAnswerer(session, task)([one["input"] for one in found[task]])
        for answer, one in zip(answers, found[task], strict=True):
            if task == "size":
                assert float(answer.text) == pytest.approx(float(one["prediction"]), abs=1e-4)
            else:
                assert answer.text == one["prediction"]
                assert answer.probabilities == pytest.approx(one["probabilities"], abs=1e-4)
    with pytest.raises(UsageError, match=r"place has 3 choices, .* 1 in '"):
        TextAnswerer(session, "place")(["ann here"])


def test_classes_in_another_order_are_other_classes(headed, things, tmp_path, capsys):
    run, other = headed[0], tmp_path / "other"
    shutil.copytree(things, other)
    manifest = json.loads((other / "dataset.json").read_text())
    manifest["tasks"]["colour"]["label_words"].reverse()
    (other / "dataset.json").write_text(json.dumps(manifest))
    asked = [f"--run={run}", f"--dataset={other}", "--tasks=colour"]
    assert run_command(evaluate, asked) == 2
    assert "class 0 of the head is" in capsys.readouterr().err
    colour = run / "adapters" / "colour"
    start = f"--adapters.start_from={{colour: {colour}}}"
    said = train(other, tmp_path / "later", *ALL, start, "--training.steps=1")
    assert f"colour starts from {colour}, its head anew" in said
    # What an earlier version wrote does not say which class is which.
    older = tmp_path / "older"
    shutil.copytree(run, older)
    for file in (older / "adapters").glob("*/head_config.json"):
        config = json.loads(file.read_text())
        del config["words"]
        file.write_text(json.dumps(config))
    config = yaml.safe_load((older / "config.yaml").read_text())
    del config["heads"]["words"]
    (older / "config.yaml").write_text(yaml.safe_dump(config))
    assert "done: step" in train(things, older, *ALL)
    load_task(load_run(run).model, "colour", older / "adapters" / "colour")


def test_a_bank_is_edited_with_its_heads(mixed, things, tmp_path, capsys):
    out = tmp_path / "edited"
    command = ["bank", f"--run={mixed[0]}", "--rename=size=weight", "--drop=owner", f"--out={out}"]
    assert adapters(command) == 0
    old, new = load_run(mixed[0]).model, load_run(out).model
    batch = {"encoder_input_tokens": np.full((2, 5), 7, np.int32), "task": np.full(2, 1, np.int32)}
    assert new.task_names[1] == "weight"
    size = old.answer(batch).numpy()
    np.testing.assert_array_equal(new.answer(batch).numpy(), size)
    again = tmp_path / "again"
    command = ["bank", f"--run={out}", f"--add=other={mixed[0]}/adapters/size", f"--out={again}"]
    assert adapters(command) == 0
    more = load_run(again).model
    batch["task"] = np.full(2, 3, np.int32)
    np.testing.assert_array_equal(more.answer(batch).numpy(), size)
    with pytest.raises(ConfigurationError, match=r"colour, size, place of .* outputs has no head;"):
        load_average(mixed[0], ["size", "colour"])


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("--heads.tasks=colours",), "did you mean 'colour'"),
        (("--heads.tasks=colour",), "task 'place' has a text for each choice"),
        ((*HEADED, "--data.routing=example"), "data.routing example: some tasks answer in words"),
        ((*HEADED, "--training.tasks_per_step=2"), "training.tasks_per_step: some tasks"),
        (("--tasks=colour,owner", "--heads.layers=1"), "no effect without heads.tasks"),
        (
            ("--tasks=owner", "--heads.tasks=owner", "--heads.class_weights={owner: [1]}"),
            "1 weights",
        ),
        (
            ("--tasks=owner", "--heads.tasks=owner", "--heads.class_weights=even"),
            "'even' is unknown",
        ),
        (("--tasks=owner", "--heads.tasks=owner", "--heads.pooling=max"), "heads.pooling 'max'"),
        (("--tasks=owner", "--heads.tasks=owner", "--heads.dropout=1"), "heads.dropout must be"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    things, tmp_path, capsys, extra, said
):
    run = tmp_path / "run"
    assert run_command(main, [f"--dataset={things}", f"--run={run}", *FEW, *extra]) == 2
    assert said in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_numbers_that_were_cut_are_refused(things, tmp_path, capsys, split):
    cut, run = tmp_path / "cut", tmp_path / "run"
    shutil.copytree(things, cut)
    manifest = json.loads((cut / "dataset.json").read_text())
    manifest["tasks"]["size"]["splits"][split]["truncated_targets"] = 3
    (cut / "dataset.json").write_text(json.dumps(manifest))
    assert run_command(main, [f"--dataset={cut}", f"--run={run}", *FEW, *ALL]) == 2
    assert f"numbers of 'size', {split}, were cut to 8 tokens" in capsys.readouterr().err
    assert not run.exists()
