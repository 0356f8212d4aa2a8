"""What we use of Keras and TFT5 without their promise is still there."""

from importlib import metadata

import pytest
import tensorflow as tf
import tf_keras

from adapters_tf.backbone import keras_internals
from adapters_tf.backbone.keras_internals import INTERNALS

pytestmark = pytest.mark.slow

PINNED = {"tf-keras": "2.20.1", "transformers": "4.57.6"}


@pytest.fixture(scope="module")
def owners():
    from adapters_tf import load_backbone

    small = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_heads": 2, "num_layers": 1}
    backbone = load_backbone("t5-tiny", vocabulary_size=40, overrides=small)
    dense, dropout = tf_keras.layers.Dense(2), tf_keras.layers.Dropout(0.1)
    dense.build([None, 3])
    dropout.build([None])
    optimizer = tf_keras.optimizers.Adam()
    optimizer.build(dense.trainable_variables)
    block = backbone.encoder.block[0]
    return {
        "tf_keras.layers.Layer": dense,
        "tf_keras.layers.Dropout": dropout,
        "tf_keras.optimizers.Optimizer": optimizer,
        "tf_keras.callbacks.Callback": tf_keras.callbacks.Callback(),
        "TFT5Attention": block.layer[0].SelfAttention,
        "TFT5MainLayer": backbone.encoder,
        "TFT5Block": block,
    }


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in INTERNALS.items() for name in names]
)
def test_it_is_there(owners, owner, name):
    versions = {package: metadata.version(package) for package in PINNED}
    assert hasattr(owners[owner], name), (
        f"{owner}.{name} is gone; it was there in {PINNED}, and these are {versions}: mend "
        f"{keras_internals.__name__}"
    )


def test_the_pinned_versions_are_those_of_the_requirements(pytestconfig):
    lines = (pytestconfig.rootpath / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {f"{package}=={version}" for package, version in PINNED.items()} <= set(lines)


def test_own_weights_freeze_and_inner_ones_do_not():
    class Outer(tf_keras.layers.Layer):
        def build(self, input_shape):
            self.own = self.add_weight("own", [1])
            self.inner = tf_keras.layers.Dense(1)
            self.inner.build(input_shape)
            super().build(input_shape)

    outer = Outer()
    outer.build([None, 2])
    keras_internals.freeze_own_weights(outer)
    assert [weight.name for weight in outer.trainable_weights] == [
        weight.name for weight in outer.inner.trainable_weights
    ]
    assert outer.own.name in [weight.name for weight in outer.non_trainable_weights]
    assert outer.inner in list(keras_internals.all_layers(outer))


def test_an_optimizer_is_asked_for_duplicate_rows_and_to_clip_by_those_names():
    """A renamed hook would silently bring the sequential loop back, and clip nothing."""

    class Plain(keras_internals.KeepsGradients, tf_keras.optimizers.SGD):
        asked = 0

        def _deduplicate_sparse_grad(self, grads):
            Plain.asked += 1
            return super()._deduplicate_sparse_grad(grads)

        def _clip_gradients(self, grads):
            Plain.asked += 10
            return super()._clip_gradients(grads)

    variable = tf.Variable([[1.0], [2.0]])
    optimizer = Plain(1.0)
    rows = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([1]), tf.constant([2, 1]))
    optimizer.apply_gradients([(rows, variable)])
    assert Plain.asked == 11
    assert variable.numpy().tolist() == [[1.0], [1.0]]
