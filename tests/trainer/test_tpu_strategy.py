"""Every call that a run makes under TPUStrategy, as far as TensorFlow's own code goes.

docs/tpu-notes.md says why each holds.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.distribute import tpu_values

from adapters_tf import BottleneckConfig, TaskModel, load_backbone, make_dropout_stateless
from adapters_tf.model.checkpointing import checkpoint_blocks
from eval.decoding.argmax import ArgmaxModel
from eval.decoding.beam import BeamModel
from eval.decoding.greedy import GreedyModel
from eval.decoding.predictor import TokenPredictor
from eval.decoding.replicas import share_out
from prep import UsageError
from tests.tpu_strategy import count_operations, make_tpu_strategy
from trainer.batches.distribution import check_hosts
from trainer.callbacks.validator import Validator
from trainer.losses.tokens import TokenLoss
from trainer.optimizers.registry import OPTIMIZERS
from trainer.run.checkpoints import RunCheckpoints
from trainer.steps.fit_model import FitModel

pytestmark = pytest.mark.slow

SMALL = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 1}
LENGTHS = {"input_length": 9, "target_length": 6}


@pytest.fixture(scope="module")
def strategy():
    return make_tpu_strategy(4)


def make_model(strategy, routing="batch", method="adamw", is_lean=False, **compiling):
    """A model, its optimizer, and what `fit` is called on, as `trainer.parts.make_model` does."""
    with strategy.scope():
        backbone = load_backbone(
            "t5-tiny", vocabulary_size=100, overrides=SMALL | {"num_decoder_layers": 1}, seed=0
        )
        adapters = BottleneckConfig(reduction_factor=8)
        model = TaskModel(
            backbone, ("a", "b", "c"), adapters, train_layer_norms=True, routing=routing
        )
        optimizer = OPTIMIZERS[method](1e-2, model.is_bank, clip_norm=1.0, is_compiled=True)
        optimizer.build(model.trainable_variables)
        if is_lean:
            checkpoint_blocks(model, is_compiled=True)
        fit_model = FitModel(model, TokenLoss(chunk=4 if is_lean else 0))
        fit_model.compile(optimizer, **compiling)
    make_dropout_stateless(model, 0, optimizer.iterations)
    return model, optimizer, fit_model


@pytest.fixture(scope="module")
def made(strategy):
    return make_model(strategy)


def trace_training(strategy, fit_model, batch):
    """Trace the very function that `fit` calls, on a distributed dataset."""
    share = 8 // strategy.num_replicas_in_sync
    one = {key: value[:share] for key, value in batch.items()}
    batches = strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_tensors(one).repeat()
    )
    # With several steps per execution, Keras has no `train_tf_function`.
    function = fit_model.make_train_function()
    with strategy.scope():
        return function.get_concrete_function(iter(batches))


@pytest.mark.parametrize("routing", ("batch", "example"))
@pytest.mark.parametrize("method", ("adamw", "adafactor"))
def test_a_training_step_is_traced(strategy, uneven_batch, routing, method):
    model, optimizer, fit_model = make_model(strategy, routing, method)
    counts = count_operations(trace_training(strategy, fit_model, uneven_batch()))
    assert counts["TPUReplicateMetadata"] == 1 and counts["CrossReplicaSum"]
    # Rows of banks and their slots are written in place; whole banks where batches mix tasks.
    slots = [
        slots
        for slots, v in zip(optimizer._slots, model.trainable_variables, strict=True)
        if model.is_bank(v)
    ]
    rows = sum(1 + len(names) for names in slots)
    assert counts["XlaDynamicUpdateSlice"] == (rows if routing == "batch" else 0)


@pytest.mark.parametrize("compiling", ({"steps_per_execution": 5}, {"jit_compile": True}))
def test_it_is_with_several_steps_per_execution_or_jit_compile(strategy, uneven_batch, compiling):
    *_, fit_model = make_model(strategy, **compiling)
    counts = count_operations(trace_training(strategy, fit_model, uneven_batch()))
    assert counts["TPUReplicateMetadata"] == 1
    # The loop is the host's: it fetches a batch for each replica, and starts the step.
    assert counts["While"] == (1 if "steps_per_execution" in compiling else 0)
    assert counts["IteratorGetNext"] == 4


def test_blocks_that_are_computed_twice_and_a_loss_in_chunks_are_traced(strategy, uneven_batch):
    *_, fit_model = make_model(strategy, is_lean=True)
    counts = count_operations(trace_training(strategy, fit_model, uneven_batch()))
    assert counts["TPUReplicateMetadata"] == 1
    assert counts["XlaOptimizationBarrier"] == 2  # blocks


def test_one_core_is_traced_too(uneven_batch):
    strategy = make_tpu_strategy(1)
    model, _, fit_model = make_model(strategy)
    counts = count_operations(trace_training(strategy, fit_model, uneven_batch()))
    assert counts["TPUReplicateMetadata"] == 1
    predictor = TokenPredictor(ArgmaxModel(model), strategy, batch_size=8, input_length=9)
    assert trace_predictor(predictor, strategy, uneven_batch()).shape == (8, 1)


def test_variables_are_written_in_place_and_not_aggregated(made):
    model, optimizer, _ = made
    slots = [slot for slots in optimizer._slots for slot in slots.values()]
    for variable in (*model.trainable_variables, *slots):
        assert isinstance(variable, tpu_values.TPUDistributedVariable)
        # With any other, `scatter_update` in a replica raises NotImplementedError.
        assert variable.aggregation == tf.VariableAggregation.NONE


def test_a_scatter_into_an_aggregated_variable_is_what_tpus_refuse(strategy):
    with strategy.scope():
        bank = tf.Variable(tf.zeros([3, 2]), aggregation=tf.VariableAggregation.MEAN)

    @tf.function(autograph=False)
    def step():
        def write():
            bank.scatter_update(tf.IndexedSlices(tf.ones([1, 2]), [1]))

        strategy.run(write)

    with pytest.raises(NotImplementedError, match="only supported for distributed variable"):
        step.get_concrete_function()


def test_losses_are_added_up_by_the_replicas_and_read_on_the_host(strategy, made):
    """Keras makes a metric's variables ON_WRITE on TPUs: each `assign_add` sums over replicas."""
    *_, fit_model = made
    losses = fit_model.task_losses

    def add():
        losses.update_state(tf.ones([3]), tf.ones([3]))

    def add_all():
        strategy.run(add)

    counts = count_operations(tf.function(add_all, autograph=False).get_concrete_function())
    assert counts["CrossReplicaSum"] == counts["AssignAddVariableOp"] == 2
    assert losses.loss.synchronization == tf.VariableSynchronization.ON_WRITE
    assert losses.loss.aggregation == tf.VariableAggregation.SUM
    losses.loss.assign([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(losses.read()[0], [1, 2, 3])
    np.testing.assert_array_equal(losses.read()[0], [0, 0, 0])


def test_positions_are_counted_without_waiting_for_a_replica(strategy, made):
    *_, fit_model = made
    batch = {"encoder_input_tokens": tf.constant([[5, 1, 0]])}

    def count():
        strategy.run(lambda: fit_model.positions.update(batch))

    traced = tf.function(count, autograph=False).get_concrete_function()
    assert count_operations(traced)["CrossReplicaSum"] == 0


def test_a_validation_step_is_traced(strategy, made, uneven_batch):
    model, *_ = made
    validator = Validator(model, {}, {}, strategy, batch_size=8, shapes={"a": (9, 6)})
    shares = share_out(strategy, uneven_batch())
    loss, tokens = validator._steps[(9, 6)].get_concrete_function(shares).structured_outputs
    assert len(loss.values) == len(tokens.values) == 4
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, shares["decoder_loss_weights"], axis=None)
    assert total.shape == (2, 6)


def trace_predictor(predictor, strategy, batch):
    needed = {key: batch[key] for key in ("encoder_input_tokens", "task")}
    traced = predictor._run.get_concrete_function(share_out(strategy, needed))
    return strategy.experimental_local_results(traced.structured_outputs)[0]


def test_answers_are_traced(strategy, made, uneven_batch):
    model, *_ = made
    for answering, width in ((ArgmaxModel(model), 1), (GreedyModel(model, length=4), 4)):
        predictor = TokenPredictor(answering, strategy, batch_size=8, input_length=9)
        assert trace_predictor(predictor, strategy, uneven_batch()).shape == (2, width)
    beams = BeamModel(model, length=4, beams=3, n_best=2)
    predictor = TokenPredictor(beams, strategy, batch_size=8, input_length=9)
    answers = trace_predictor(predictor, strategy, uneven_batch())
    assert (answers.tokens.shape, answers.scores.shape) == ((2, 2, 4), (2, 2))


def test_a_lambda_around_a_run_is_what_tpus_refuse(strategy):
    """`tpu.replicate` names a scope after the traced function; `<lambda>` is no scope's name."""

    def step():
        return tf.zeros([])

    def run_all():
        return strategy.run(step)

    tf.function(run_all, autograph=False).get_concrete_function()
    with pytest.raises(ValueError, match="not a valid root scope name"):
        tf.function(lambda: strategy.run(step), autograph=False).get_concrete_function()


def test_a_model_among_the_arguments_of_a_run_is_what_tpus_refuse(strategy, made):
    """`tpu.replicate` makes a tensor of every argument."""

    def run_all():
        return strategy.run(lambda model: tf.zeros([]), args=(made[0],))

    with pytest.raises(TypeError, match=r"Failed to convert elements of .*TaskModel"):
        tf.function(run_all, autograph=False).get_concrete_function()


def test_a_checkpoint_is_written_and_read(strategy, made, tmp_path):
    model, optimizer, _ = made
    checkpoints = RunCheckpoints(tmp_path, model, optimizer, keep=1)
    before = [variable.numpy() for variable in model.trainable_variables]
    checkpoints.save(3)
    for variable in model.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    assert RunCheckpoints(tmp_path, model, optimizer, keep=1).restore() == 3
    for variable, value in zip(model.trainable_variables, before, strict=True):
        for copy in strategy.experimental_local_results(variable):
            np.testing.assert_array_equal(copy.numpy(), value)


def test_cores_that_another_process_feeds_are_refused(strategy):
    check_hosts(strategy)
    far = make_tpu_strategy(1)
    far.extended._tpu_devices[0, 0] = "/job:worker/replica:0/task:1/device:TPU:0"
    with pytest.raises(UsageError, match=r"another process \(job 'worker'\).*TPU_NAME=local"):
        check_hosts(far)
