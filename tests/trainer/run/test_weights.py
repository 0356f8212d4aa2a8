"""The table of what trains."""

import pytest

from trainer.run.weights import describe_weights

pytestmark = pytest.mark.slow


def numbers(line):
    return [int(word.replace(",", "")) for word in line.split() if word.replace(",", "").isdigit()]


def test_every_parameter_is_in_one_place(make_model, make_optimizer):
    model = make_model(adapters=True)
    lines = describe_weights(model, make_optimizer(model))
    by_part = {line[:18].strip(): line for line in lines[1:]}
    assert list(by_part) == [
        "tasks' rows",
        "adapters, shared",
        "embeddings",
        "layer norms",
        "position biases",
        "encoder",
        "decoder",
    ]
    counted = sum(sum(numbers(line)) for line in by_part.values())
    assert counted == sum(variable.shape.num_elements() for variable in model.variables)
    banks = [v for v in model.trainable_variables if model.is_bank(v)]
    (rows,) = numbers(by_part["tasks' rows"])
    assert rows == sum(bank.shape.num_elements() for bank in banks)
    assert all(len(line) <= 80 for line in lines)


def test_a_whole_model_has_nothing_frozen(make_model, make_optimizer):
    model = make_model(adapters=False)
    optimizer = make_optimizer(model, "adamw")
    lines = describe_weights(model, optimizer)
    (embeddings,) = (line for line in lines if line.startswith("embeddings"))
    table = model.backbone.shared.embeddings
    assert numbers(embeddings) == [table.shape.num_elements()]
    assert sum(sum(numbers(line)) for line in lines) == model.count_trainable()
    # Two slots of float32 for each weight, and the count of steps.
    slots = optimizer.bytes_by_variable(model.trainable_variables)
    assert slots[id(table)] == 8 * table.shape.num_elements() + 4
