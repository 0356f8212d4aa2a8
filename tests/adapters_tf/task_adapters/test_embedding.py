"""Task embeddings: pooling, reading a dataset folder, cosines, and the command."""

import hashlib
import json
import re
import shutil

import matplotlib.image
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from adapters_tf import (
    ConfigurationError,
    HypernetworkConfig,
    TaskModel,
    encode,
    load_backbone,
    load_run,
    save_backbone,
    task_tensors,
)
from adapters_tf.__main__ import main as adapters_command
from adapters_tf.errors import run_command
from adapters_tf.files.dataset_folder import open_dataset
from adapters_tf.files.embeddings_file import save_embeddings
from adapters_tf.task_adapters.embedding import (
    POOLINGS,
    TaskEmbedder,
    common_start,
    cosine_matrix,
    nearest_tasks,
)

pytestmark = pytest.mark.slow

SIZE = 60


def main(argv):
    return run_command(adapters_command, argv)


def write_records(file, records):
    """TFRecords of token ids, packed where a record is a list of examples."""
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            examples = record if isinstance(record[0], list) else [record]
            lists = {"inputs": [token for example in examples for token in example]}
            if examples is record:
                segments = [[n] * len(example) for n, example in enumerate(examples, 1)]
                lists["inputs_segments"] = [n for segment in segments for n in segment]
            features = {
                key: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                for key, values in lists.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three tasks: one of two shards with a prefix, one packed, one with examples of the first."""
    folder = tmp_path_factory.mktemp("dataset")
    words = [f"w{n}" for n in range(40)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words[n:] + words[:n]) for n in range(40)] * 3),
        model_prefix=str(folder / "spiece"),
        vocab_size=SIZE,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    random = np.random.default_rng(0)

    def example(low, high):
        return [5, 6, *random.integers(low, high, random.integers(3, 90)).tolist(), 1]

    shards = {
        "low/train-0": [example(10, 20) for _ in range(7)],
        "low/train-1": [example(10, 20) for _ in range(5)],
        "packed/train-0": [[example(30, 40), example(30, 40)] for _ in range(4)],
    }
    shards["also_low/train-0"] = shards["low/train-1"]
    tasks = {}
    for name, records in shards.items():
        write_records(folder / f"{name}.tfrecord", records)
        entry = tasks.setdefault(name.split("/")[0], {"splits": {"train": {"shards": []}}})
        shard = {"file": f"{name}.tfrecord", "records": len(records)}
        entry["splits"]["train"]["shards"].append(shard)
    sha256 = hashlib.sha256((folder / "spiece.model").read_bytes()).hexdigest()
    vocabulary = {"file": "spiece.model", "sha256": sha256, "size": SIZE, "sentinels": 0}
    manifest = {"schema_version": 1, "vocabulary": vocabulary, "tasks": tasks}
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder, shards


def test_examples_are_spread_over_the_shards(folder):
    dataset = open_dataset(str(folder[0]))
    low = folder[1]["low/train-0"] + folder[1]["low/train-1"]
    chosen = [tokens.tolist() for tokens in dataset.read_inputs("low", 4)]
    assert chosen == [low[0], low[3], low[6], low[9]]
    assert [tokens.tolist() for tokens in dataset.read_inputs("low", 100)] == low
    packed = [tokens.tolist() for tokens in dataset.read_inputs("packed", 100)]
    assert packed == [record[0] for record in folder[1]["packed/train-0"]]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_and_batches_change_nothing(make_backbone, pooling):
    backbone = make_backbone()
    random = np.random.default_rng(1)
    inputs = [random.integers(3, 99, length) for length in random.integers(1, 150, 21)]
    pooled = []
    for tokens in inputs:
        states = encode(backbone, {"encoder_input_tokens": tf.constant(tokens[None], tf.int32)})
        states = states[0].numpy()
        if pooling == "attentive":
            scores = states @ states.mean(0) / np.sqrt(states.shape[1])
            weights = np.exp(scores) / np.exp(scores).sum()
            pooled.append(weights @ states)
        else:
            pooled.append(getattr(states, pooling)(0))
    found = TaskEmbedder(backbone, pooling).embed(inputs)
    np.testing.assert_allclose(found, np.mean(pooled, 0), atol=2e-6)


def test_the_poolings_differ(make_backbone):
    inputs = [np.arange(3, 40)]
    backbone = make_backbone()
    vectors = [TaskEmbedder(backbone, pooling).embed(inputs) for pooling in POOLINGS]
    assert min(np.abs(vectors[i] - vectors[i - 1]).max() for i in range(3)) > 1e-3


def test_the_common_start_leaves_every_example_something():
    rows = [np.array(row) for row in ([5, 6, 7, 8, 1], [5, 6, 9, 1], [5, 6, 7, 1])]
    assert common_start(rows).tolist() == [5, 6]
    assert common_start([*rows, np.array([5, 1])]).tolist() == []
    assert common_start([*rows, np.array([4, 6, 9, 1])]).tolist() == []
    assert common_start([rows[0], rows[0]]).tolist() == [5, 6, 7]
    assert common_start(rows[:1]).tolist() == []


def test_cosines_and_nearest_tasks():
    vectors = np.array([[2.0, 0], [0, 3], [1, 1]])
    half = np.sqrt(0.5)
    expected = [[1, 0, half], [0, 1, half], [half, half, 1]]
    np.testing.assert_allclose(cosine_matrix(vectors), expected, atol=1e-12)
    names = ["east", "north", "between"]
    nearest = nearest_tasks(names, cosine_matrix(vectors))
    assert nearest["east"] == ["between", "north"] and nearest["north"] == ["between", "east"]


@pytest.fixture(scope="module")
def saved_backbone(tmp_path_factory):
    overrides = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4}
    backbone = load_backbone("t5-tiny", vocabulary_size=SIZE, overrides=overrides, seed=3)
    path = tmp_path_factory.mktemp("backbone") / "t5"
    save_backbone(backbone, path)
    return path


def embed(folder, backbone, out, *options):
    argv = ["embed", "--backbone", str(backbone), "--dataset", str(folder), "--out", str(out)]
    return main([*argv, *options])


def test_the_command_writes_what_hypernetworks_read(
    folder, saved_backbone, make_backbone, tmp_path, capsys
):
    out = tmp_path / "new" / "tasks.npz"
    assert embed(folder[0], saved_backbone, out) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^low: 12 examples of \d+ tokens, without '23'", printed, re.MULTILINE)
    assert re.search(r"^nearest to low +also_low 0\.9\d+, packed", printed, re.MULTILINE)
    file = np.load(out)
    assert file["names"].tolist() == ["low", "packed", "also_low"]
    assert file["vectors"].shape == (3, 32) and file["vectors"].dtype == np.float32
    row = next(line for line in printed.splitlines() if re.match(r"packed +-?[\d.]+ ", line))
    cosines = cosine_matrix(file["vectors"])[1]
    np.testing.assert_allclose([float(n) for n in row.split()[1:4]], cosines, atol=6e-4)
    image = matplotlib.image.imread(out.with_suffix(".png"))
    assert min(image.shape[:2]) > 300 and image[..., :3].std() > 0.05
    settings = HypernetworkConfig(task_embeddings=str(out), task_embedding_width=32)
    model = TaskModel(make_backbone(), ("also_low", "low"), settings)
    bank = next(v for path, v in model.trainable_by_path().items() if path.endswith(".embedding"))
    np.testing.assert_array_equal(bank, file["vectors"][[2, 0]])


def test_the_prefix_stays_if_asked(folder, saved_backbone, tmp_path, capsys):
    vectors = []
    for options in ([], ["--keep-prefix"]):
        out = tmp_path / f"{len(options)}.npz"
        assert embed(folder[0], saved_backbone, out, "--tasks", "low", *options) == 0
        vectors.append(np.load(out)["vectors"])
    assert "nearest to low  none" in capsys.readouterr().out
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_tasks_of_several_datasets_go_into_one_file(folder, saved_backbone, tmp_path, capsys):
    other, out = tmp_path / "other", tmp_path / "tasks.npz"
    shutil.copytree(folder[0], other)
    more = ("--dataset", str(other))
    assert embed(folder[0], saved_backbone, out, *more) == 2
    assert f"task 'low' is in {folder[0]} and in {other}" in capsys.readouterr().err
    manifest = json.loads((other / "dataset.json").read_text())
    manifest["tasks"] = {"new": manifest["tasks"]["low"]}
    (other / "dataset.json").write_text(json.dumps(manifest))
    assert embed(folder[0], saved_backbone, out, *more, "--tasks=low,new") == 0
    file = np.load(out)
    assert file["names"].tolist() == ["low", "new"]
    np.testing.assert_array_equal(*file["vectors"])
    manifest["vocabulary"]["sha256"] = "0" * 64
    (other / "dataset.json").write_text(json.dumps(manifest))
    assert embed(folder[0], saved_backbone, out, *more) == 1
    assert "another vocabulary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--tasks", "lov"], 1, "no task 'lov'; did you mean 'low'"),
        (["--examples", "0"], 2, "--examples must be 1 or more, got 0"),
        (["--out", "tasks.csv"], 2, "'tasks.csv': expected a file that ends in .npz"),
        (["--pooling", "meen"], 2, "there is no 'meen'; did you mean 'mean'?"),
        (["--dataset", "nowhere"], 1, "nowhere is no dataset folder: it holds no dataset.json"),
        (["--backbone", "t5-smal"], 2, "t5-smal"),
    ],
)
def test_errors_are_one_line(folder, saved_backbone, tmp_path, capsys, options, code, message):
    assert embed(folder[0], saved_backbone, tmp_path / "x.npz", *options) == code
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_smaller_vocabulary_and_a_torn_shard_are_named(folder, make_backbone, tmp_path, capsys):
    small = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4}
    backbone = load_backbone("t5-tiny", overrides={**small, "vocab_size": SIZE - 10})
    save_backbone(backbone, tmp_path / "t5")
    assert embed(folder[0], tmp_path / "t5", tmp_path / "x.npz") == 1
    assert re.search(rf"has {SIZE} token ids and .* only {SIZE - 10} rows", capsys.readouterr().err)
    shard = folder[0] / "also_low" / "train-0.tfrecord"
    content = shard.read_bytes()
    shard.write_bytes(content[:-7])
    try:
        save_backbone(make_backbone(), tmp_path / "other")
        assert embed(folder[0], tmp_path / "other", tmp_path / "x.npz") == 1
    finally:
        shard.write_bytes(content)
    assert f"{shard} cannot be read" in capsys.readouterr().err


def test_a_trained_run_does_not_need_the_file_again(make_run, tmp_path):
    file = tmp_path / "tasks.npz"
    vectors = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    save_embeddings(file, ["cola", "rte"], vectors)
    widths = {"task_embedding_width": 6, "projected_width": 5, "task_hidden_width": 7}
    settings = {**widths, "reduction_factor": 8, "task_embeddings": str(file)}
    run = make_run("hyperformer", {"hyperformer": settings})
    start = task_tensors(load_run(run, "none").model, "rte")
    np.testing.assert_array_equal(start["task_embeddings.hypernetwork.embedding"], vectors[1])
    expected = task_tensors(load_run(run).model, "rte")
    file.unlink()
    again = task_tensors(load_run(run).model, "rte")
    assert again.keys() == expected.keys()
    for path, tensor in again.items():
        np.testing.assert_array_equal(tensor, expected[path])
    with pytest.raises(ConfigurationError, match="is no file"):
        load_run(run, "none")
    # Its exported adapters still fit its own bank.
    assert main(f"bank --run {run} --add x={run}/adapters/rte --out {tmp_path}/out".split()) == 0
