"""Which group a variable is of."""

import pytest

from adapters_tf import BottleneckConfig, TaskModel, load_backbone
from adapters_tf.model.heads import HeadOf
from trainer.optimizers.groups import rate_by_variable

pytestmark = pytest.mark.slow

RATES = {"bank": 2.0, "norms": 0.5, "shared": 0.25}


def rates_of(model, rates):
    rate_of = rate_by_variable(model, rates)
    return {path: rate_of(variable) for path, variable in model.trainable_by_path().items()}


@pytest.mark.parametrize("adapters", [True, False])
def test_banks_norms_and_the_rest_are_told_apart(make_model, adapters):
    """An adapter's own norms are shared by the tasks, and not T5's."""
    rates = rates_of(make_model(adapters=adapters), RATES)
    norms = {path for path, rate in rates.items() if rate == RATES["norms"]}
    banks = {path for path, rate in rates.items() if rate == RATES["bank"]}
    assert norms == {path for path in rates if path.endswith("layer_norm.weight")} != set()
    of_adapters = {path for path in rates if ".adapter." in path}
    assert banks == {path for path in of_adapters if "_norm." not in path}
    assert bool(banks) == adapters
    assert set(rates) - norms - banks


def test_heads_are_a_group_of_their_own():
    """Banks they are too, one row a task, and learn at the rate of heads."""
    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_heads": 4, "num_layers": 1}
    backbone = load_backbone("t5-tiny", vocabulary_size=50, overrides=sizes)
    heads = {"topic": HeadOf("classification", 3)}
    model = TaskModel(backbone, ("topic", "words"), BottleneckConfig(4), heads=heads)
    rates = rates_of(model, {**RATES, "heads": 4.0})
    of_heads = {path for path, rate in rates.items() if rate == 4.0}
    assert of_heads == {path for path in rates if path.startswith("heads.")} != set()


def test_what_is_not_named_learns_at_the_runs_rate(make_model):
    assert set(rates_of(make_model(), {}).values()) == {1.0}
