import re

import pytest
import tensorflow as tf

from adapters_tf.runtime.dropout import shared_mask
from prep import UsageError
from trainer.preflight.exporting import drop_copies, export_stablehlo, use_device_generator


def test_the_devices_own_generator_draws_the_bits():
    def draw(key, counter):
        return shared_mask([4, 8, 16], 0.1, key, counter)

    specs = [tf.TensorSpec([1], tf.uint64), tf.TensorSpec([2], tf.uint64)]
    text = export_stablehlo(draw, specs)
    assert "PHILOX" not in text
    draws = re.findall(r"rng_bit_generator (%\w+), algorithm =  DEFAULT : (.*?),", text)
    assert [signature for _, signature in draws] == ["(tensor<2xui64>) -> (tensor<2xui64>"]
    # Key and counter: the state's first two words.
    assert re.search(rf"{draws[0][0]} = stablehlo.slice %\w+ \[0:2\]", text)


def test_what_was_copied_takes_the_copys_place():
    text = """\
    %1 = stablehlo.add %arg0, %arg1 : tensor<2xf32> loc(#loc)
    %2 = mhlo.copy %1 : tensor<2xf32> loc(#loc)
    %3 = mhlo.copy %2 : tensor<2xf32> loc(#loc)
    %10 = stablehlo.negate %3 : tensor<2xf32> loc(#loc)
    return %10, %3, %2 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32> loc(#loc)
"""
    left = drop_copies(text)
    assert "mhlo.copy" not in left
    assert "negate %1 :" in left and "return %10, %1, %1 :" in left


def test_a_name_that_is_given_out_anew_is_no_copy():
    """A loop's body has numbers that what comes after it has again."""
    text = """\
    %1:2 = stablehlo.while(%iterArg = %arg0, %iterArg_0 = %arg1) : tensor<i32>, tensor<2xf32>
     do {
      %7 = stablehlo.negate %iterArg : tensor<2xf32> loc(#loc)
      %8 = stablehlo.abs %7 : tensor<2xf32> loc(#loc)
    } loc(#loc)
    %7 = mhlo.copy %1#1 : tensor<2xf32> loc(#loc)
    %8 = stablehlo.add %7, %arg1 : tensor<2xf32> loc(#loc)
    return %7 : tensor<2xf32> loc(#loc)
  }
  func.func private @other(%arg0: tensor<2xf32>) -> tensor<2xf32> {
    %7 = stablehlo.tanh %arg0 : tensor<2xf32> loc(#loc)
    return %7 : tensor<2xf32> loc(#loc)
"""
    left = drop_copies(text).splitlines()
    assert "%7 = stablehlo.negate" in left[2] and "stablehlo.abs %7 :" in left[3]
    assert "%8 = stablehlo.add %1#1, %arg1" in left[5] and "return %1#1 :" in left[6]
    assert "return %7 :" in left[-1]


def test_the_state_after_a_draw_is_read_by_nobody():
    text = """\
    %output_state, %output = stablehlo.rng_bit_generator %5, algorithm =  PHILOX : \
(tensor<3xui64>) -> (tensor<3xui64>, tensor<4x8xui32>) loc(#loc)
    %6 = stablehlo.slice %output_state [1:3] : (tensor<3xui64>) -> tensor<2xui64> loc(#loc)
    %7 = stablehlo.bitcast_convert %6 : (tensor<2xui64>) -> tensor<2xi64> loc(#loc)
    %8 = stablehlo.slice %output [0:2, 0:8] : (tensor<4x8xui32>) -> tensor<2x8xui32> loc(#loc)
"""
    lines = use_device_generator(text).splitlines()
    assert len(lines) == 3
    assert "%output = " in lines[1] and "%8 = " in lines[2]


def test_a_name_of_a_region_that_has_ended_may_be_that_of_something_else():
    """A draw in a loop's body: what comes after the loop has its numbers anew."""
    text = """\
      %6, %7 = stablehlo.rng_bit_generator %5, algorithm =  PHILOX : \
(tensor<3xui64>) -> (tensor<3xui64>, tensor<4x8xui32>) loc(#loc)
      %8 = stablehlo.slice %6 [1:3] : (tensor<3xui64>) -> tensor<2xui64> loc(#loc)
    }
    %6 = stablehlo.reshape %2#0 : (tensor<4x512xf32>) -> tensor<4x512xf32> loc(#loc)
    %7 = stablehlo.slice %6 [0:1, 0:512] : (tensor<4x512xf32>) -> tensor<1x512xf32> loc(#loc)
"""
    lines = use_device_generator(text).splitlines()
    assert "%7 = stablehlo.slice %6 [0:1" in lines[-1] and len(lines) == 5


def test_it_is_traced_as_for_a_tpu_and_a_variable_is_aliased_to_what_it_becomes():
    from adapters_tf.runtime.target import is_for_tpu

    seen = []
    variable = tf.Variable(tf.zeros([4]))

    def step(values):
        seen.append(is_for_tpu())
        variable.assign_add(values)
        return tf.reduce_sum(values)

    text = export_stablehlo(step, [tf.TensorSpec([4])])
    assert seen == [True] and not is_for_tpu()
    assert "parameter_number = 1 : i64}, output_index = array<i64: 1>" in text


def test_lengths_that_are_not_known_are_refused():
    with pytest.raises(UsageError, match=r"fixed sizes, and tokens has the shape \(None, 4\)"):
        export_stablehlo(lambda x: x, [tf.TensorSpec([None, 4], name="tokens")])


def printing(x):
    tf.print("a step of", x)
    return x + 1


def in_python(x):
    return tf.py_function(lambda value: value, [x], tf.float32)


def in_numpy(x):
    return tf.numpy_function(lambda value: value, [x], tf.float32)


def of_text(x):
    return tf.strings.length(tf.strings.as_string(x))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (printing, "StringFormat"),
        (in_python, "EagerPyFunc"),
        (in_numpy, "PyFunc"),
        (of_text, "AsString"),
    ],
)
def test_what_cannot_be_compiled_is_told_with_its_line(function, operation):
    with pytest.raises(UsageError) as caught:
        export_stablehlo(lambda x: function(x), [tf.TensorSpec([4])])
    line = function.__code__.co_firstlineno + 1
    assert re.match(
        rf"a TPU cannot run {operation}, at \S*test_exporting.py:{line} in {function.__name__}: ",
        str(caught.value),
    )


def test_what_selects_by_value_compiles():
    def select(x):
        return tf.boolean_mask(x, x > 0), tf.unique(x)[0], tf.where(x > 0)

    assert "stablehlo" in export_stablehlo(select, [tf.TensorSpec([4])])


def test_errors_of_the_steps_own_are_its_own():
    def wrong(x):
        return x + tf.zeros([5])

    with pytest.raises(ValueError, match="Dimensions must be equal"):
        export_stablehlo(wrong, [tf.TensorSpec([4])])
