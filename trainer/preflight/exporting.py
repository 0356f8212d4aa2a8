"""Export a step as StableHLO, the form in which XLA's compilers take programs.

TensorFlow exports for the device that it has, a CPU. Two things are put as a TPU would have them:
TensorFlow's copies of outputs, which exist for its own bookkeeping, are dropped, and random bits
come from the device's own generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from adapters_tf.runtime.target import compiling_for_tpu

_COPY = re.compile(r"^ *(%\w+) = mhlo\.copy (%\w+) .*\n", re.MULTILINE)
_VALUE = re.compile(r"%\w+")
_PHILOX = re.compile(
    r"^( *)(%\w+), (%\w+) = stablehlo\.rng_bit_generator (%\w+), algorithm = +PHILOX : "
    r"\(tensor<3xui64>\) -> \(tensor<3xui64>, ",
)
_READ = re.compile(r" *(%\w+) = stablehlo\.(?:slice|bitcast_convert) (%\w+) ")


def export_stablehlo(function: Callable[..., Any], specs: Sequence[tf.TensorSpec]) -> str:
    """Trace a function as under TPUStrategy and lower it.

    Args:
        function: Of tensors, with tensors as results.
        specs: Of its arguments, one after the other; a dictionary has no order to rely on.

    Returns:
        A StableHLO module as text: the arguments come first, then the variables, and what a
        variable becomes is an output aliased to it.

    Raises:
        tf.errors.OpError: An operation that XLA cannot compile.
        ValueError: A dimension that is not known.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)
    with compiling_for_tpu():
        text = compiled.experimental_get_compiler_ir(*specs)(stage="stablehlo")
    return use_device_generator(drop_copies(text))


def drop_copies(text: str) -> str:
    """Take TensorFlow's copies out of a module; no other compiler reads the `mhlo` dialect.

    Args:
        text: The module.

    Returns:
        The module whose uses of copies are uses of what was copied.
    """
    copied = dict(_COPY.findall(text))

    def original(match: re.Match[str]) -> str:
        name = match[0]
        while name in copied:
            name = copied[name]
        return name

    return _VALUE.sub(original, _COPY.sub("", text))


def use_device_generator(text: str) -> str:
    """Draw random bits as a TPU does where TensorFlow was told to choose a generator.

    On a CPU that is Philox, whose state is a key and a counter of two words; a TPU's own takes
    two words, the key and the counter's first. A draw that asked for Philox by name looks the same
    and is rewritten too: the trainer's steps for a TPU have none.

    Args:
        text: The module.

    Returns:
        The module with the algorithm DEFAULT.
    """
    lines, states = [], set()
    for line in text.splitlines(keepends=True):
        if match := _PHILOX.match(line):
            indent, after, bits, state = match.groups()
            states.add(after)
            words = f"%two_words_{len(states)}"
            lines.append(
                f"{indent}{words} = stablehlo.slice {state} [0:2] : "
                "(tensor<3xui64>) -> tensor<2xui64>\n"
            )
            line = (
                f"{indent}{after}, {bits} = stablehlo.rng_bit_generator {words}, "
                "algorithm =  DEFAULT : (tensor<2xui64>) -> (tensor<2xui64>, " + line[match.end() :]
            )
        elif (match := _READ.match(line)) and match[2] in states:
            # The state after the draw, of which nothing is made.
            states.add(match[1])
            continue
        lines.append(line)
    return "".join(lines)
