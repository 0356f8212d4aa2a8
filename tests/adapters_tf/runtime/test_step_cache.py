"""An attention that decodes token by token, beside the plain formula, in both layouts."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf.runtime.step_cache import StepCache, attend_step, make_cache, write_step
from adapters_tf.runtime.target import compiling_for_tpu

pytestmark = pytest.mark.slow
B, K, N, H, STEPS, P = 2, 3, 4, 5, 4, 2


def heads_first(states):
    return states.reshape(B, -1, N, H).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("beams", [1, K])
@pytest.mark.parametrize("prefixes", [0, P])
@pytest.mark.parametrize("target", [nullcontext, compiling_for_tpu])
def test_slots_are_filled_step_by_step_and_attended_to(target, prefixes, beams):
    random = np.random.default_rng(0)
    query, key, value = random.normal(size=(3, STEPS, B, beams, N * H)).astype(np.float32)
    front = random.normal(size=(2, B, N, prefixes, H)).astype(np.float32)
    slots = prefixes + STEPS * beams
    bias = random.normal(size=(STEPS, B, 1, beams, slots)).astype(np.float32)

    def decode():
        dtype = tf.float32
        cache = make_cache(B, STEPS * beams, (N, H), dtype, (*map(tf.constant, front),))
        contexts = []
        for step in range(STEPS):
            slot = tf.constant(prefixes + step * beams)
            written = write_step(StepCache(*cache, slot), key[step], value[step], N)
            cache = (written.keys, written.values)
            is_filled = tf.range(slots) < slot + beams
            seen = tf.where(is_filled, bias[step], -1e9)
            contexts.append(attend_step(tf.constant(query[step]), written, seen, N))
        return tf.stack(contexts)

    with target():
        got = tf.function(decode, jit_compile=target is compiling_for_tpu)().numpy()
    for step in range(STEPS):
        keys, values = (
            np.concatenate([first, *(heads_first(part[past]) for past in range(step + 1))], axis=2)
            for first, part in zip(front, (key, value), strict=True)
        )
        seen = bias[step][..., : keys.shape[2]]
        weights = tf.nn.softmax(heads_first(query[step]) @ keys.transpose(0, 1, 3, 2) + seen)
        right = (weights.numpy() @ values).transpose(0, 2, 1, 3).reshape(B, beams, N * H)
        np.testing.assert_allclose(got[step], right, rtol=1e-4, atol=1e-5)
