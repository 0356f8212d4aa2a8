"""Something is done every so many steps of the whole run, whatever part of it this is."""

import pytest

from trainer.callbacks.step_callback import Span, StepCallback


class Noting(StepCallback):
    """Notes the steps at which it acts."""

    def __init__(self, *span):
        super().__init__(Span(*span))
        self.steps = []

    def act(self, step):
        self.steps.append(step)


def run(callback, per_execution=1):
    """Calls it as Keras does: after every execution, with the number of its last batch."""
    count = callback.span.last - callback.span.first
    for batch in range(per_execution - 1, count, per_execution):
        callback.on_train_batch_end(batch)
    return callback.steps


@pytest.mark.parametrize(
    ("span", "steps"),
    [
        ((0, 10, 3), [3, 6, 9, 10]),
        ((0, 9, 3), [3, 6, 9]),
        ((0, 5, 100), [5]),
        ((0, 3, 1), [1, 2, 3]),
        ((4, 10, 3), [6, 9, 10]),  # gone on with at step 4
        ((6, 10, 3), [9, 10]),  # what was due at step 6 was done before
    ],
)
def test_multiples_and_the_last_step_act(span, steps):
    assert run(Noting(*span)) == steps


def test_several_steps_at_once_may_pass_the_multiple():
    assert run(Noting(0, 20, 5), per_execution=4) == [8, 12, 16, 20]
    assert run(Noting(0, 20, 2), per_execution=10) == [10, 20]


def test_steps_are_those_of_the_whole_run():
    assert Noting(30, 50, 5).step_after(0) == 31


def test_what_to_do_must_be_said():
    with pytest.raises(NotImplementedError):
        StepCallback(Span(0, 1, 1)).act(1)
