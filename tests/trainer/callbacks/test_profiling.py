"""A profile of some steps of `fit`."""

import pytest
import tensorflow as tf
import tf_keras

from trainer.callbacks.profiling import ProfileCallback
from trainer.callbacks.step_callback import Span

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("first", "steps", "seen"),
    [(0, (2, 3), [2, 3]), (2, (2, 4), [3, 4]), (4, (2, 4), []), (0, (5, 99), [5, 6])],
)
def test_it_records_its_steps_and_no_others(first, steps, seen, tmp_path, monkeypatch):
    recorded, said, is_on = [], [], [False]
    monkeypatch.setattr(tf.profiler.experimental, "start", lambda folder: is_on.append(True))
    monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: is_on.append(False))

    class Look(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if is_on[-1]:
                recorded.append(first + batch + 1)

    model = tf_keras.Sequential([tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = ProfileCallback(Span(first, 6, 6), steps, tmp_path, said.append)
    x = tf.ones([6 - first, 1])
    model.fit(x, x, batch_size=1, verbose=0, callbacks=[Look(), callback])
    assert recorded == seen and is_on[-1] is False
    assert len(said) == bool(seen)


def test_tensorboard_finds_it(tmp_path):
    model = tf_keras.Sequential([tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    said = []
    callback = ProfileCallback(Span(0, 3, 3), (2, 2), tmp_path, said.append)
    model.fit(tf.ones([3, 1]), tf.ones([3, 1]), batch_size=1, verbose=0, callbacks=[callback])
    assert list((tmp_path / "logs" / "plugins" / "profile").rglob("*.xplane.pb"))
    assert said == [f"a profile of steps 2 to 2 is in {tmp_path}/logs, for TensorBoard"]
