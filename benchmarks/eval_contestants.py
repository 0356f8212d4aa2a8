"""Answers by TensorFlow, for `benchmarks.eval_peers`.

    python -m benchmarks.eval_contestants answers BATCHES.npz --tokens 16

`answers`: ours, as `python -m eval` asks for them, a token by argmax and more greedily; `labels`:
ours, of two label words of a token each or four of several; `pass`: one decoder pass over the rows
of such labels, by the model alone; `encoder`: the encoder alone; `scores`: all scores of the first
token, brought to the host; `generate`, `generate_graph`: TFT5's own, eager or in a `tf.function`;
`products`: matrix products and nothing else, of the inputs once and then of each token.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import multiply_answers, take_turns
from prep import TokenTable, quiet_libraries

quiet_libraries()

import tensorflow as tf  # noqa: E402

from adapters_tf import TaskModel, encode, load_backbone, project_logits  # noqa: E402
from adapters_tf.model.forward import decode  # noqa: E402
from benchmarks.train_contestants import multiply  # noqa: E402
from eval import ArgmaxModel, GreedyModel  # noqa: E402
from eval.decoding.labels import LabelTextModel, LabelTexts, LabelWordModel  # noqa: E402
from eval.decoding.predictor import TokenPredictor  # noqa: E402

_WORDS = ((101,), (202,))
_FIRST_OF_TEXTS = (101, 202, 303, 404)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    whats = ("answers", "labels", "pass", "encoder", "scores", "generate", "generate_graph")
    parser.add_argument("what", choices=(*whats, "products"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokens", type=int, default=1)
    parser.add_argument("--preset", default="t5-small")
    options = parser.parse_args()
    if options.what == "products":
        take_turns(multiply_answers(multiply, options.file))
        return
    with np.load(options.file) as data:
        inputs = data["inputs"]
    model = make_model(options.preset)
    if options.what in ("answers", "labels"):
        answer = predict(model, inputs, options)
    else:
        answer = run_batches(model, inputs, options)
    positions = int(np.count_nonzero(inputs)), inputs.size
    for _ in range(2):
        answer()

    def take_step() -> tuple[int, int]:
        answer()
        return positions

    take_turns(take_step)


def make_model(preset: str) -> TaskModel:
    """A T5 that never ends an answer."""
    backbone = load_backbone(preset, vocabulary_size=32_128)
    embedding = backbone.shared.embeddings.numpy()
    # A tied head scores EOS by this row; far from every other row it is never the best.
    embedding[1] = -10 * embedding.mean(axis=0)
    backbone.shared.embeddings.assign(embedding)
    return TaskModel(backbone, ("task",))


def predict(model: TaskModel, inputs: np.ndarray, options: argparse.Namespace) -> Callable[[], Any]:
    """All batches as `python -m eval` answers them."""
    also: dict[str, np.ndarray] = {}
    if options.what == "answers":
        one = options.tokens == 1
        program = ArgmaxModel(model) if one else GreedyModel(model, length=options.tokens)
    elif options.tokens == 1:
        program = LabelWordModel(model)
        also["label_tokens"] = np.array(_WORDS, np.int32)[:, 0]
    else:
        program, texts = LabelTextModel(model), make_texts(options.tokens)
        also = {"label_tokens": texts.tokens, "label_numbers": texts.numbers}
    _, rows, length = inputs.shape
    strategy = tf.distribute.get_strategy()
    predictor = TokenPredictor(program, strategy, batch_size=rows, input_length=length)
    table = make_table(inputs.reshape(-1, length))
    return lambda: predictor.predict(table, 0, also=also)


def make_texts(tokens: int) -> LabelTexts:
    """Four label words of so many tokens, EOS not counted."""
    return LabelTexts.of([range(first, first + tokens) for first in _FIRST_OF_TEXTS])


def make_table(rows: np.ndarray) -> TokenTable:
    """A table of inputs, padded with zeros."""
    lengths = np.count_nonzero(rows, 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    nothing = np.zeros(len(rows) + 1, np.int64)
    labels = np.full(len(rows), -1, np.int32)
    tokens = rows[rows != 0].astype(np.uint32)
    return TokenTable(tokens, offsets, tokens[:0], nothing, labels, np.arange(len(rows)))


def run_batches(
    model: TaskModel, inputs: np.ndarray, options: argparse.Namespace
) -> Callable[[], Any]:
    """Each batch, padded to its longest row, through a program that is not ours to answer with."""
    trimmed = [batch[:, : np.count_nonzero(batch, 1).max()] for batch in inputs]
    program = make_program(model, options)
    batches = [
        {"encoder_input_tokens": tf.constant(batch), "task": tf.zeros(len(batch), tf.int32)}
        for batch in trimmed
    ]
    return lambda: [np.asarray(program(batch)) for batch in batches]


def make_program(model: TaskModel, options: argparse.Namespace) -> Callable[[Any], tf.Tensor]:
    """The program of a batch."""
    backbone, tokens = model.backbone, options.tokens

    def generate(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        ids = batch["encoder_input_tokens"]
        length = {"max_new_tokens": tokens, "min_new_tokens": tokens}
        mask = tf.cast(ids != 0, tf.int32)
        return backbone.generate(ids, attention_mask=mask, do_sample=False, num_beams=1, **length)

    def encoder(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        with model.route(batch):
            return encode(backbone, batch)

    def scores(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        start = tf.zeros_like(batch["encoder_input_tokens"][:, :1])
        return model({**batch, "decoder_input_tokens": start}, training=False)

    def one_pass(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        texts = make_texts(tokens)
        labels, length = len(_FIRST_OF_TEXTS), tokens + 1
        rows = np.reshape(texts.tokens[: labels * length], (labels, length))
        B = batch["encoder_input_tokens"].shape[0]
        with model.route(batch):
            states = tf.repeat(encode(backbone, batch), labels, 0)
            inputs = tf.repeat(batch["encoder_input_tokens"], labels, 0)
            targets = tf.constant(np.tile(rows, (B, 1)), tf.int32)
            asked = {"encoder_input_tokens": inputs, "decoder_input_tokens": targets}
            hidden = decode(backbone, asked, states)
        return tf.reduce_logsumexp(project_logits(backbone, hidden), -1)

    if options.what == "generate":
        return generate
    programs = {"generate_graph": generate, "encoder": encoder, "scores": scores, "pass": one_pass}
    return tf.function(programs[options.what], autograph=options.what == "generate_graph")


if __name__ == "__main__":
    main()
