"""What can be typed is what there is: names stand apart from the registries they name."""

from adapters_tf.commands import parsers
from adapters_tf.interop import FOLDED, LIBRARIES
from adapters_tf.runs.config import CHECKPOINTS
from adapters_tf.task_adapters.embedding import POOLINGS
from adapters_tf.task_adapters.merging import MERGERS


def test_the_choices_are_the_registries():
    assert tuple(LIBRARIES) == parsers.LIBRARIES
    assert parsers.FOLDED == FOLDED
    assert parsers.MERGERS == MERGERS
    assert tuple(POOLINGS) == parsers.POOLINGS
    assert (*CHECKPOINTS, "none") == parsers.CHECKPOINTS


def test_every_command_has_its_function():
    import importlib

    parser = parsers.make_parser("")
    for words in (
        "export --run r --task t --format peft --out o",
        "import --run r --task t --format peft --from f --out o",
        "merge --run r --tasks a,b --out o",
        "bank --run r --out o",
        "embed --run r --dataset d --out o",
        "list r",
    ):
        file, function = parser.parse_args(words.split()).run_with.split(".")
        assert callable(getattr(importlib.import_module(f"adapters_tf.commands.{file}"), function))
