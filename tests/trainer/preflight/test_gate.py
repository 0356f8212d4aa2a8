"""What would be slow on a TPU does not come back into the train step, seen with no TPU there."""

import pytest
import tensorflow as tf
import tf_keras

from adapters_tf import BottleneckConfig, TaskModel, load_backbone, make_dropout_stateless
from adapters_tf.backbone.keras_internals import all_layers
from adapters_tf.runtime import dropout
from eval import Beams
from trainer.optimizers.groups import group_by_variable
from trainer.optimizers.registry import OPTIMIZERS
from trainer.preflight.exporting import export_stablehlo
from trainer.preflight.stablehlo import read_stablehlo
from trainer.preflight.steps import make_answer_step, make_scoring_step
from trainer.steps.step import train_step

pytestmark = pytest.mark.slow

TASKS = tuple(f"task{number}" for number in range(11))  # no other size of the model
ROWS, INPUTS, TARGETS = 4, 16, 6
SMALL = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_heads": 4,
    "num_layers": 1,
    "num_decoder_layers": 1,
}
SPECS = {
    "encoder_input_tokens": tf.TensorSpec([ROWS, INPUTS], tf.int32),
    "decoder_input_tokens": tf.TensorSpec([ROWS, TARGETS], tf.int32),
    "decoder_target_tokens": tf.TensorSpec([ROWS, TARGETS], tf.int32),
    "decoder_loss_weights": tf.TensorSpec([ROWS, TARGETS], tf.float32),
    "task": tf.TensorSpec([ROWS], tf.int32),
}


@pytest.fixture(scope="module")
def export():
    """A function that exports the train step, by what trains and how units fall."""
    models = {}

    def export(what, kind="shared_along_length"):
        if what not in models:
            backbone = load_backbone("t5-tiny", vocabulary_size=100, overrides=SMALL)
            config = BottleneckConfig(reduction_factor=8) if what == "adapters" else None
            model = TaskModel(backbone, TASKS, config, train_layer_norms=True)
            optimizer = OPTIMIZERS["adamw"](
                1e-4,
                model.is_bank,
                clip_norm=1.0,
                is_compiled=True,
                group_of=group_by_variable(model),
            )
            optimizer.build(model.trainable_variables)
            models[what] = model, optimizer
        model, optimizer = models[what]
        assert make_dropout_stateless(model, 0, optimizer.iterations, kind) == count_layers(model)

        def step(*values):
            return train_step(model, optimizer, dict(zip(SPECS, values, strict=True)))

        # The embeddings and the last norm of a stack share a layer, which draws a mask for each.
        masks = count_layers(model) + 2
        return read_stablehlo(export_stablehlo(step, list(SPECS.values()))), masks

    return export


def count_layers(model):
    return sum(isinstance(layer, tf_keras.layers.Dropout) for layer in all_layers(model))


def find_faults(step, masks):
    """List what a step must not have on a TPU."""
    faults = step.slow_parts(most_updates=max(len(TASKS), ROWS))
    if len(step.generators) != masks:
        faults.append(f"{len(step.generators)} draws of random bits for {masks} masks")
    if step.conditionals:
        faults.append(f"{step.conditionals} branches")
    return faults + [f"a bank {shape} made anew" for shape in step.banks_written_whole(len(TASKS))]


@pytest.mark.parametrize("kind", dropout.DROPOUTS)
@pytest.mark.parametrize("what", ["adapters", "all of it"])
def test_nothing_of_the_train_step_is_slow_on_a_tpu(export, what, kind):
    step, masks = export(what, kind)
    assert find_faults(step, masks) == []
    assert bool(step.written_by_rows) == (what == "adapters")


def hashed_mask(shape, rate, key, counter):
    """Masks as they were once: of a seed that is hashed, four units of a word."""
    seed = tf.cast(tf.stack([key[0], counter[0]]), tf.int32)
    *leading, size = shape
    words = tf.random.stateless_uniform(
        [*leading, -(-size // 4)], seed, None, None, tf.int32, alg="philox"
    )
    draw = tf.random.stateless_uniform([], tf.bitwise.invert(seed), alg="philox")
    dropped = tf.cast(tf.floor(rate * 256 + draw), tf.int32)
    threshold = tf.bitwise.left_shift(dropped, 24) + tf.int32.min
    kept = [tf.bitwise.left_shift(words, 8 * unit) >= threshold for unit in range(4)]
    return tf.cast(tf.concat(kept, -1)[..., :size], tf.float32)


@pytest.mark.parametrize("earlier", [dropout.packed_mask, hashed_mask])
def test_the_masks_of_earlier_versions_are_told(export, earlier, monkeypatch):
    monkeypatch.setattr(dropout, "shared_mask", earlier)
    step, masks = export("adapters")
    (fault,) = find_faults(step, masks)
    assert fault == f"{len(step.generators)} draws of random bits for {masks} masks"
    assert len(step.generators) >= 2 * masks


def test_a_gather_for_embeddings_is_told(export, monkeypatch):
    """Its gradient is a scatter of every position."""
    from adapters_tf.model import lean_layers

    monkeypatch.setattr(
        lean_layers, "look_up", lambda table, rows, dtype: tf.cast(tf.gather(table, rows), dtype)
    )
    (fault,) = find_faults(*export("all of it"))
    assert fault == f"2 scatters of up to {ROWS * INPUTS} updates"


@pytest.mark.parametrize(
    ("name", "loops"),
    [("argmax", 0), ("scoring", 0), ("greedy", 1), ("beams", 1)],
)
def test_nothing_of_evaluations_steps_is_slow_on_a_tpu(name, loops):
    """Answers of several tokens are one loop; none has a sort, of the vocabulary least of all."""
    backbone = load_backbone("t5-tiny", vocabulary_size=1000, overrides=SMALL)
    model = TaskModel(backbone, TASKS, BottleneckConfig(reduction_factor=8))
    step = {
        "argmax": lambda: make_answer_step(model, INPUTS, 1),
        "scoring": lambda: make_scoring_step(model, (INPUTS, TARGETS)),
        "greedy": lambda: make_answer_step(model, INPUTS, TARGETS),
        "beams": lambda: make_answer_step(model, INPUTS, TARGETS, Beams(3)),
    }[name]()
    program = read_stablehlo(step.export(ROWS, 1))
    assert program.loops == loops
    assert program.sorts == program.conditionals == len(program.generators) == 0
    assert not program.scatters


def test_a_sort_of_the_vocabulary_is_told(monkeypatch):
    from eval.decoding import beam

    monkeypatch.setattr(beam, "top_of_many", lambda scores, k: tuple(tf.math.top_k(scores, k)))
    backbone = load_backbone("t5-tiny", vocabulary_size=1000, overrides=SMALL)
    model = TaskModel(backbone, TASKS, None)
    step = make_answer_step(model, INPUTS, TARGETS, Beams(3))
    assert read_stablehlo(step.export(ROWS, 1)).sorts
