"""The model with its tasks: what trains, under which names, and what cannot be built."""

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import (
    BottleneckConfig,
    ConfigurationError,
    Ia3Config,
    LayerNormConfig,
    LoraConfig,
    TaskModel,
    inject_method,
)
from adapters_tf.model.heads import HeadOf

pytestmark = pytest.mark.slow

TASKS = ("first", "second", "third")
ONE_LAYER = {"num_layers": 1, "num_decoder_layers": 1}


@pytest.fixture
def backbone(make_backbone):
    return make_backbone(**ONE_LAYER)


def test_without_a_method_the_whole_backbone_trains(backbone, batch):
    model = TaskModel(backbone, TASKS)
    assert model.methods == () and model.banks == {}
    assert model.count_trainable() == sum(int(tf.size(v)) for v in backbone.weights)
    # All tasks are one, so a batch may mix them.
    mixed = {**batch, "task": tf.constant([0, 1, 2, 0, 1, 2, 0, 1])}
    np.testing.assert_array_equal(model(mixed), model(batch))
    assert model(batch).shape == (8, 6, 128) and model(batch).dtype == tf.float32


def test_variables_are_named_by_where_they_are(backbone):
    model = TaskModel(backbone, TASKS, LoraConfig(targets=("q",)), train_layer_norms=True)
    names = list(model.trainable_by_path())
    assert "encoder.block.0.layer.0.SelfAttention.q.lora.a" in names
    assert "decoder.final_layer_norm.weight" in names
    assert len(names) == len(set(names)) == len(model.trainable_variables)
    banks = [name for name, v in model.trainable_by_path().items() if model.is_bank(v)]
    assert banks == [name for name in names if ".lora." in name]


def test_names_are_those_of_every_model_of_a_process(make_backbone):
    """Keras numbers the models it builds; a checkpoint must not depend on how many there were."""
    first, second = (TaskModel(make_backbone(**ONE_LAYER), TASKS) for _ in range(2))
    assert list(first.trainable_by_path()) == list(second.trainable_by_path())


def test_the_trained_share_is_a_tasks_own(make_backbone):
    whole = TaskModel(make_backbone(**ONE_LAYER), TASKS)
    assert whole.trained_shares()[TASKS[0]] == pytest.approx(1 / 3)
    model = TaskModel(make_backbone(**ONE_LAYER), TASKS, Ia3Config(targets=("k",)))
    size = sum(int(tf.size(one)) for one in make_backbone(**ONE_LAYER).weights)
    assert model.trained_shares()[TASKS[0]] == pytest.approx(3 * 32 / size)
    heads = {TASKS[0]: HeadOf("classification", 2)}
    headed = TaskModel(make_backbone(**ONE_LAYER), TASKS, Ia3Config(targets=("k",)), heads=heads)
    assert headed.trained_shares()[TASKS[0]] == pytest.approx((32 + 2 * 32 + 2) / size)
    assert headed.trained_shares()[TASKS[1]] == pytest.approx(3 * 32 / size)


def test_parameters_are_counted_over_all_tasks(make_backbone):
    sizes = {
        count: TaskModel(
            make_backbone(**ONE_LAYER), TASKS[:count], Ia3Config(targets=("k",))
        ).count_trainable()
        for count in (1, 3)
    }
    # Three attentions, each with keys of 32 units.
    assert sizes == {1: 3 * 32, 3: 3 * 3 * 32}


def test_t5s_own_norms_train_only_if_asked_for_and_not_replaced(make_backbone):
    def norms(*arguments, **keywords):
        model = TaskModel(make_backbone(**ONE_LAYER), TASKS, *arguments, **keywords)
        return [name for name in model.trainable_by_path() if "layer_norm.weight" in name]

    adapter = BottleneckConfig(reduction_factor=8, post_norm=False)
    assert norms(adapter) == []
    assert len(norms(adapter, train_layer_norms=True)) == 2 + 1 + 3 + 1
    assert norms((adapter, LayerNormConfig()), train_layer_norms=True) == []


def test_several_methods_share_a_model(backbone, batch):
    methods = (BottleneckConfig(reduction_factor=8), LoraConfig(rank=2))
    model = TaskModel(backbone, TASKS, methods)
    assert model.methods == methods
    kinds = {type(bank).__name__ for bank in model.banks.values()}
    assert kinds == {"BottleneckBank", "LoraBank"}


def test_a_batch_that_mixes_tasks_needs_routing_by_example(make_backbone, batch):
    mixed = {**batch, "task": tf.constant([0, 1, 2, 0, 1, 2, 0, 1])}
    config = BottleneckConfig(reduction_factor=8)
    with pytest.raises(ConfigurationError, match="mixes the tasks of rows 0, 1, 2"):
        TaskModel(make_backbone(**ONE_LAYER), TASKS, config)(mixed)
    model = TaskModel(make_backbone(**ONE_LAYER), TASKS, config, routing="example")
    assert model(mixed).shape == (8, 6, 128)


@pytest.mark.parametrize(
    ("tasks", "adapters", "keywords", "message"),
    [
        (TASKS, None, {"routing": "exmaple"}, "did you mean 'example'"),
        ((), BottleneckConfig(), {}, "the list of tasks is empty"),
        (TASKS, BottleneckConfig(stacks=()), {}, "bottleneck: no layer of the model matches"),
        (TASKS, (LoraConfig(), Ia3Config()), {}, "has an adapter already"),
    ],
)
def test_models_that_cannot_be(backbone, tasks, adapters, keywords, message):
    with pytest.raises(ConfigurationError, match=message):
        TaskModel(backbone, tasks, adapters, **keywords)


def test_a_method_may_be_injected_alone(backbone):
    banks = inject_method(backbone, Ia3Config(targets=("wo",)), TASKS, seed=0)
    assert list(banks) == [
        "encoder.block.0.layer.1.DenseReluDense.wo",
        "decoder.block.0.layer.2.DenseReluDense.wo",
    ]
