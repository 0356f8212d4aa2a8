import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from trainer.preflight.exporting import export_stablehlo
from trainer.preflight.stablehlo import read_stablehlo


def read(function, *shapes, dtype=tf.float32):
    return read_stablehlo(
        export_stablehlo(function, [tf.TensorSpec(shape, dtype) for shape in shapes])
    )


def test_products_alone_are_nothing_to_warn_of():
    step = read(lambda a, b: a @ b, [4, 8], [8, 2])
    assert step.slow_parts(0) == []
    assert step.generators == () and step.gathers == 0


def test_loops_sorts_and_branches_are_counted():
    def slow(x):
        total = tf.while_loop(lambda i, _: i < 100, lambda i, y: (i + 1, y * x), (0, x))[1]
        return tf.sort(total), tf.cond(x[0] > 0, lambda: x, lambda: -x)

    step = read(slow, [32])
    assert (step.loops, step.sorts, step.conditionals) == (1, 1, 1)
    assert step.slow_parts(0) == ["1 loops", "1 sorts"]


@pytest.mark.parametrize("shape", [[3, 5], [15]])
def test_every_index_of_a_scatter_is_an_update(shape):
    def scatter(rows, values):
        return tf.math.unsorted_segment_sum(values, rows, 7)

    specs = [tf.TensorSpec(shape, tf.int32), tf.TensorSpec([*shape, 4], tf.float32)]
    step = read_stablehlo(export_stablehlo(scatter, specs))
    assert step.scatters == (15,)
    assert step.slow_parts(15) == []
    assert step.slow_parts(14) == ["1 scatters of up to 15 updates"]


def test_an_index_of_two_coordinates_is_one_update():
    def scatter(points, values):
        return tf.tensor_scatter_nd_add(tf.zeros([7, 9]), points, values)

    specs = [tf.TensorSpec([6, 2], tf.int32), tf.TensorSpec([6], tf.float32)]
    assert read_stablehlo(export_stablehlo(scatter, specs)).scatters == (6,)


def test_a_draw_is_counted_with_its_words():
    def draw(key, counter):
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[3, 5], key=key, counter=counter, alg=3, dtype=tf.int32
        )

    specs = [tf.TensorSpec([1], tf.uint64), tf.TensorSpec([2], tf.uint64)]
    assert read_stablehlo(export_stablehlo(draw, specs)).generators == (15,)


def test_banks_of_which_a_row_is_written_are_told_from_those_made_anew():
    by_row, whole, table = (tf.Variable(tf.zeros(shape)) for shape in ([11, 4], [11, 6], [5, 3]))

    def step(row, values):
        by_row.assign(xla.dynamic_update_slice(by_row, values[None], tf.stack([row, 0])))
        whole.assign(whole * 2)
        table.assign(table + 1)

    specs = [tf.TensorSpec([], tf.int32), tf.TensorSpec([4], tf.float32)]
    found = read_stablehlo(export_stablehlo(step, specs))
    assert found.written_by_rows == ((11, 4),)
    assert sorted(found.written_whole) == [(5, 3), (11, 6)]
    assert found.banks_written_whole(11) == [(11, 6)]
