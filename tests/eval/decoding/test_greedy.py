import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    LoraConfig,
    PrefixConfig,
    PromptConfig,
    TaskModel,
    WeightsError,
    load_backbone,
    save_backbone,
)
from eval import ArgmaxModel, GreedyModel

pytestmark = pytest.mark.slow


def decode_naively(model: TaskModel, batch, length: int) -> np.ndarray:
    """Greedy decoding without a cache: the whole model again for every token."""
    rows = len(batch["task"])
    tokens = np.zeros((rows, 1), np.int32)
    has_ended = ~(batch["encoder_input_tokens"].numpy() != 0).any(axis=1)
    for _ in range(length):
        logits = model({**batch, "decoder_input_tokens": tf.constant(tokens)}).numpy()[:, -1]
        best = np.where(has_ended, 0, logits.argmax(-1)).astype(np.int32)
        tokens = np.concatenate([tokens, best[:, None]], axis=1)
        has_ended |= best == 1
    return tokens[:, 1:]


def make_batch(task: int, seed: int) -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(seed)
    tokens = generator.integers(2, 96, (9, 11)) * (np.arange(11) < [[n] for n in range(1, 10)])
    return {
        "encoder_input_tokens": tf.constant(tokens, tf.int32),
        "task": tf.fill([9], task),
    }


@pytest.mark.parametrize("is_xla", [False, True])
@pytest.mark.parametrize("name", ["t5", "t5_v1_1"])
def test_greedy_output_is_pytorchs(golden, name, is_xla):
    backbone, expected = golden(name)
    batch = {
        "encoder_input_tokens": tf.constant(expected["input_ids"]),
        "task": tf.zeros(len(expected["input_ids"]), tf.int32),
    }
    model = GreedyModel(TaskModel(backbone, ("only",)), length=expected["greedy"].shape[1])
    model.compile(jit_compile=is_xla)
    tokens = model.predict(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert tokens.dtype == np.int32
    np.testing.assert_array_equal(tokens, expected["greedy"])


def test_equals_generate_of_transformers(golden):
    backbone, _ = golden()
    task_model = TaskModel(backbone, ("only",))
    batch = make_batch(0, seed=3)
    tokens = GreedyModel(task_model, length=8)(batch).numpy()
    mask = tf.cast(batch["encoder_input_tokens"] != 0, tf.int32)
    generated = backbone.generate(
        batch["encoder_input_tokens"],
        attention_mask=mask,
        max_new_tokens=8,
        num_beams=1,
        do_sample=False,
    ).numpy()[:, 1:]
    np.testing.assert_array_equal(tokens[:, : generated.shape[1]], generated)
    assert (tokens[:, generated.shape[1] :] == 0).all()


@pytest.mark.parametrize("task", [0, 2])
def test_with_adapters_it_equals_running_the_whole_model_again(adapted_model, task):
    batch = make_batch(task, seed=task)
    greedy = tf.function(GreedyModel(adapted_model, length=10), jit_compile=True, autograph=False)
    tokens = greedy(batch).numpy()
    np.testing.assert_array_equal(tokens, decode_naively(adapted_model, batch, 10))
    assert len({row.tobytes() for row in tokens}) > 3


def test_tasks_are_decoded_with_their_own_adapters(adapted_model):
    first, second = (
        GreedyModel(adapted_model, length=4)({**make_batch(0, seed=5), "task": tf.fill([9], task)})
        for task in (0, 1)
    )
    assert (first.numpy() != second.numpy()).any()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_shorter_length_gives_the_same_beginning(adapted_model, length):
    batch = make_batch(1, seed=8)
    longer = GreedyModel(adapted_model, length=7)(batch).numpy()
    tokens = GreedyModel(adapted_model, length=length)(batch).numpy()
    np.testing.assert_array_equal(tokens, longer[:, :length])


def test_padding_rows_answer_nothing_and_change_nothing(adapted_model):
    batch = make_batch(1, seed=9)
    padded = {
        "encoder_input_tokens": tf.pad(batch["encoder_input_tokens"], [[0, 3], [0, 0]]),
        "task": tf.fill([12], 1),
    }
    greedy = GreedyModel(adapted_model, length=6)
    tokens = greedy(padded).numpy()
    assert (tokens[9:] == 0).all()
    np.testing.assert_array_equal(tokens[:9], greedy(batch).numpy())


def count_steps(model: TaskModel, batch, length: int, monkeypatch) -> int:
    from eval.decoding import loop as decoding

    steps = []
    original = decoding.project_logits
    monkeypatch.setattr(
        decoding, "project_logits", lambda *args: steps.append(1) or original(*args)
    )
    GreedyModel(model, length=length)(batch)
    return len(steps)


def test_it_stops_when_every_row_has_ended(golden, monkeypatch):
    backbone, expected = golden("t5")
    ended = (expected["greedy"] == 1).any(axis=1).nonzero()[0][:1]
    batch = {
        "encoder_input_tokens": tf.constant(expected["input_ids"][ended]),
        "task": tf.zeros(1, tf.int32),
    }
    tokens = expected["greedy"][ended][0]
    steps = count_steps(TaskModel(backbone, ("only",)), batch, 30, monkeypatch)
    assert steps == int(np.argmax(tokens == 1)) + 1


def test_it_runs_under_mixed_bfloat16(golden):
    from pathlib import Path

    folder = Path(__file__).parents[2] / "adapters_tf" / "golden" / "t5_v1_1"
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = TaskModel(load_backbone(str(folder)), ("only",))
        batch = make_batch(0, seed=2)
        tokens = GreedyModel(model, length=5)(batch).numpy()
        expected = decode_naively(model, batch, 1)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert tokens.shape == (9, 5)
    np.testing.assert_array_equal(tokens[:, :1], expected)


def test_a_length_of_nothing_is_refused(adapted_model):
    with pytest.raises(ValueError, match="1 token or more, not 0"):
        GreedyModel(adapted_model, length=0)


MIXED = {
    "bottleneck": BottleneckConfig(reduction_factor=4),
    "lora": LoraConfig(rank=2, targets=("q", "k", "v")),
    "prompt": PromptConfig(length=3),
    "prefix": PrefixConfig(length=2, reparametrize=False),
    "prefix_shifted": PrefixConfig(length=2, reparametrize=False, positions="shifted"),
}


@pytest.mark.parametrize("method", MIXED.values(), ids=MIXED)
def test_a_mixed_batch_is_decoded_row_by_row_with_its_own_tasks_adapters(golden, method):
    backbone, _ = golden("t5")
    model = TaskModel(backbone, ("a", "b", "c"), method, routing="example")
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign_add(generator.normal(0, 0.5, variable.shape))
    tasks = np.array([0, 2, 1, 2, 0, 1, 1, 2, 0], np.int32)
    batch = make_batch(0, seed=4)
    greedy = tf.function(GreedyModel(model, length=5), autograph=False)
    mixed = greedy({**batch, "task": tf.constant(tasks)}).numpy()
    first_tokens = ArgmaxModel(model)({**batch, "task": tf.constant(tasks)}).numpy()
    for task in range(3):
        alone = greedy({**batch, "task": tf.fill([9], task)}).numpy()
        np.testing.assert_array_equal(mixed[tasks == task], alone[tasks == task])
        assert (mixed != alone).any()  # or the tasks would answer alike, and nothing be shown
    np.testing.assert_array_equal(first_tokens[:, 0], mixed[:, 0])


def test_a_mixed_batch_is_refused_where_routing_is_by_batch(adapted_model):
    mixed = {**make_batch(0, seed=4), "task": tf.constant([0, 1] * 4 + [0])}
    for model in (GreedyModel(adapted_model, length=3), ArgmaxModel(adapted_model), adapted_model):
        batch = {**mixed, "decoder_input_tokens": tf.zeros([9, 1], tf.int32)}
        with pytest.raises(ConfigurationError, match="a batch mixes the tasks of rows 0, 1"):
            model(batch)


def test_ids_of_a_checkpoint_start_and_end_answers(golden, tmp_path, capsys):
    """Against `generate`, which reads them too; generation_config.json goes before config.json."""
    backbone, expected = golden()
    save_backbone(backbone, tmp_path)
    counts = np.bincount(expected["greedy"].ravel(), minlength=96)
    often = int(counts[2:].argmax()) + 2
    _change(tmp_path / "config.json", eos_token_id=7, decoder_start_token_id=0)
    ids = {"eos_token_id": [1, often], "decoder_start_token_id": 5}
    _change(tmp_path / "generation_config.json", **ids)
    changed = load_backbone(str(tmp_path))
    assert capsys.readouterr().err == ""
    batch = {
        "encoder_input_tokens": tf.constant(expected["input_ids"]),
        "task": tf.zeros(len(expected["input_ids"]), tf.int32),
    }
    length = expected["greedy"].shape[1]
    tokens = GreedyModel(TaskModel(changed, ("only",)), length=length)(batch).numpy()
    theirs = changed.generate(
        expected["input_ids"], attention_mask=expected["attention_mask"], max_new_tokens=length
    ).numpy()
    assert (theirs[:, 0] == 5).all()
    theirs = theirs[:, 1:]
    np.testing.assert_array_equal(tokens[:, : theirs.shape[1]], theirs)
    assert not tokens[:, theirs.shape[1] :].any()
    assert (tokens != expected["greedy"]).any()


def test_generation_settings_that_are_not_honoured_are_named(golden, tmp_path, capsys):
    backbone, _ = golden()
    save_backbone(backbone, tmp_path)
    _change(tmp_path / "config.json", num_beams=4)
    settings = {"suppress_tokens": [3], "min_length": 5, "forced_eos_token_id": 1, "top_k": 7}
    _change(tmp_path / "generation_config.json", **settings)
    load_backbone(str(tmp_path))
    lines = capsys.readouterr().err.splitlines()
    ends = "of its generation settings is not honoured"
    assert sorted(line.removeprefix(f"note: {tmp_path}: ") for line in lines) == [
        f"forced_eos_token_id = 1 {ends}",
        f"min_length = 5 {ends}",
        f"num_beams = 4 {ends}",
        f"suppress_tokens = [3] {ends}",
    ]
    _change(tmp_path / "generation_config.json", eos_token_id=["</s>"])
    with pytest.raises(WeightsError, match=r"eos_token_id is \['</s>'\], expected a token id"):
        load_backbone(str(tmp_path))


def _change(file, **fields):
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
