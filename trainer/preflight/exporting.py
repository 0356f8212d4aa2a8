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
from prep import UsageError

_COPY = re.compile(r" *(%\w+) = mhlo\.copy (%\w+(?:#\d+)?) ")
_DEFINED = re.compile(r" *(%\w+(?::\d+)?(?:, %\w+(?::\d+)?)*) = ")
_REFUSED = re.compile(r"(\w+) \(No registered '\w+' OpKernel for")
_PLACE = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_IN_PYTHON = "it runs Python, which is not on the chip"
_OF_TEXT = "a chip has numbers and no strings; tf.print makes one"
_REASONS = {
    "EagerPyFunc": _IN_PYTHON,
    "PyFunc": _IN_PYTHON,
    "PyFuncStateless": _IN_PYTHON,
    "StringFormat": _OF_TEXT,
    "PrintV2": _OF_TEXT,
    "AsString": _OF_TEXT,
    "StringLength": _OF_TEXT,
    "StringJoin": _OF_TEXT,
}
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
        UsageError: An operation that XLA cannot compile, with the line that asks for it, or a
            dimension that is not known.
    """
    if unknown := [spec for spec in specs if not spec.shape.is_fully_defined()]:
        raise UsageError(
            f"a TPU's program has fixed sizes, and {unknown[0].name or 'an argument'} has the "
            f"shape {unknown[0].shape}"
        )
    compiled = tf.function(function, jit_compile=True, autograph=False)
    with compiling_for_tpu():
        try:
            text = compiled.experimental_get_compiler_ir(*specs)(stage="stablehlo")
        except ValueError as error:
            if not (refused := explain(str(error))):
                raise
            wrong = UsageError(refused[0])
            wrong.lines = refused
            raise wrong from error
    return use_device_generator(drop_copies(text))


def explain(message: str) -> tuple[str, ...]:
    """Find what cannot be compiled in TensorFlow's words.

    Args:
        message: Of its error.

    Returns:
        A line for each operation, with the last line of Python on the way to it that is not
        TensorFlow's; none where the message is of something else.
    """
    found = list(_REFUSED.finditer(message))
    ends = [match.start() for match in found[1:]] + [len(message)]
    lines = []
    for match, end in zip(found, ends, strict=False):  # none found: no lines
        places = _PLACE.findall(message, match.end(), end)
        where = f", at {places[-1][0]}:{places[-1][1]} in {places[-1][2]}" if places else ""
        why = _REASONS.get(match[1], "XLA has no such operation")
        lines.append(f"a TPU cannot run {match[1]}{where}: {why}")
    return tuple(dict.fromkeys(lines))


def drop_copies(text: str) -> str:
    """Take TensorFlow's copies out of a module; no other compiler reads the `mhlo` dialect.

    Args:
        text: The module.

    Returns:
        The module whose uses of copies are uses of what was copied.
    """
    copied: dict[str, str] = {}

    def original(match: re.Match[str]) -> str:
        return copied.get(match[0], match[0])

    lines = []
    for line in text.splitlines(keepends=True):
        if copy := _COPY.match(line):
            copied[copy[1]] = copied.get(copy[2], copy[2])
            continue
        if defined := _DEFINED.match(line):
            # The numbers of a region that has ended, or of another function, are given out anew.
            for name in _VALUE.findall(defined[1]):
                copied.pop(name, None)
        lines.append(_VALUE.sub(original, line))
    return "".join(lines)


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
    lines: list[str] = []
    states: set[str] = set()
    draws = 0
    for line in text.splitlines(keepends=True):
        if match := _PHILOX.match(line):
            indent, after, bits, state = match.groups()
            states.add(after)
            draws += 1
            words = f"%two_words_{draws}"
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
        elif defined := _DEFINED.match(line):
            # As above: a name of a region that has ended may be that of something else now.
            states.difference_update(_VALUE.findall(defined[1]))
        lines.append(line)
    return "".join(lines)
