"""Validation between steps: its figures are logged, and the best step is kept."""

import types

from trainer.callbacks.step_callback import Span
from trainer.callbacks.validation import ValidationCallback


def test_figures_are_logged_and_the_best_is_kept():
    asked, lines, said = [], [], []
    values = iter([{"loss": 0.5, "mean": 0.25}, {"loss": 0.25, "mean": 0.125}])

    def save_if_best(step, metric, value):
        asked.append((step, metric, value))
        return step == 10

    callback = ValidationCallback(
        Span(0, 20, 10),
        lambda: next(values),
        types.SimpleNamespace(save_if_best=save_if_best),
        metric="mean",
        log=types.SimpleNamespace(write=lambda *line: lines.append(line)),
        report=said.append,
    )
    for batch in range(20):
        callback.on_train_batch_end(batch)
    assert asked == [(10, "mean", 0.25), (20, "mean", 0.125)]
    assert lines == [
        ("validation", 10, {"loss": 0.5, "mean": 0.25}),
        ("validation", 20, {"loss": 0.25, "mean": 0.125}),
    ]
    assert said == [
        "validation at step 10 (best): loss 0.500  mean 0.250",
        "validation at step 20: loss 0.250  mean 0.125",
    ]
