"""The commands of the README and the pages, each with what is done of it here.

Every fenced block without a language, or of `bash`, is commands. What is done with them stands in
comments before it, beside those of `pages.py`, which has the blocks that a page runs by itself:

| comment | the commands of the block |
|---|---|
| none | are run in a folder with a small dataset and runs, and a bucket (`workshop.py`) |
| `<!-- test: WORDS -->` | are run with these words added; `tiny` stands for a tiny run's |
| `<!-- test where TEXT: WORDS -->` | the same, for those of them that hold the text |
| `<!-- parsed: REASON -->` | are read by their own parser, and not run, for the reason |
| `<!-- parsed where TEXT: REASON -->` | the same, for those of them that hold the text |

Of `make`, make says what it would do. Programs that are not ours are neither run nor read, and the
reason says why.
"""

import argparse
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from unittest.mock import patch

from tests.docs.pages import commands_of, main_of
from trainer.settings import arguments

FENCE = re.compile(
    r"(?P<marks>(?:<!-- [^>]*? -->\n)*)^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
CLAUSE = re.compile(r"<!-- (?P<kind>test|parsed)(?: where (?P<text>\S+))?: (?P<said>.+?) -->")
TINY = shlex.split(
    "--model.backbone t5-tiny --training.steps 2 --training.precision float32 --data.batch_size 4 "
    "--data.input_length 32 --training.validation_examples 4 --optimizer.warmup_steps 0 "
    "--training.validate_every 2"
)
# Their pages say what becomes of these blocks; all others are of commands.
OTHERS = ("file", "output")


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        where: File and line of its block.
        words: As a shell would split it.
        verdict: One of "page" (its page runs it), "run" and "parsed".
        detail: Words to add to what is run, or why it is not.
    """

    where: str
    words: tuple[str, ...]
    verdict: str
    detail: str = ""


def read_commands(name, text):
    """List the commands of a page.

    Raises:
        AssertionError: A comment that nothing follows from.
    """
    for block in FENCE.finditer(text):
        marks = block["marks"].splitlines()
        where = f"{name}:{text.count(chr(10), 0, block.start('text'))}"
        kinds = {re.match(r"<!-- (\w+)", mark)[1] for mark in marks}
        if block["language"] not in ("", "bash") or kinds & {*OTHERS}:
            continue
        clauses = [CLAUSE.fullmatch(mark) for mark in marks if not mark.startswith("<!-- run")]
        assert None not in clauses, f"{where}: no comment of a block is {marks}"
        for words in commands_of(block["text"]):
            if "run" in kinds:
                yield Command(where, tuple(words), "page")
            else:
                yield judge(where, words, clauses)


def judge(where, words, clauses):
    """Find what the comments say of a command."""
    line = " ".join(words)
    fitting = [one for one in clauses if one["text"] is None or one["text"] in line]
    reasons = [one["said"] for one in fitting if one["kind"] == "parsed"]
    if reasons:
        return Command(where, tuple(words), "parsed", reasons[0])
    added = " ".join(one["said"] for one in fitting)
    return Command(where, tuple(words), "run", added)


def words_to_run(command):
    """Write out the words of a command that is run.

    Raises:
        AssertionError: It is no `python -m`, so nothing was decided of it.
    """
    words = of_one_program(command.words)
    assert words[:2] == ["python", "-m"], (
        f"{command.where}: {' '.join(command.words)}: nothing says what is done with it here; "
        "say <!-- parsed: REASON --> before its block"
    )
    added = [TINY if word == "tiny" else [word] for word in shlex.split(command.detail)]
    return [*words, *(word for some in added for word in some)]


def of_one_program(words):
    """Leave out what a reader fills in, what comes before a pipe, and where the output goes."""
    first = len(words) - words[::-1].index("|") if "|" in words else 0
    last = words.index(">") if ">" in words else None
    return [word for word in words[first:last] if word != "…"]


class Parsed(BaseException):
    """A command line was read, and nothing done; not an error that a command would report."""


def parse(command, root):
    """Let the program say whether it understands a command.

    Args:
        command: One that is parsed only.
        root: The folder with the Makefile.

    Raises:
        AssertionError: It does not, or no reason is given why it isn't run.
    """
    assert len(command.detail.split()) > 1, f"{command.where}: say why it is not run"
    words = of_one_program(command.words)
    if words[0] == "make" and "help" not in words:
        done = subprocess.run(
            ["make", "-n", "-o", ".venv/installed", *words[1:], *settings_of_a_cloud()],
            cwd=root,
            env={"PATH": os.environ["PATH"], "HOME": "/"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command.where}: {done.stderr}"
    elif words[:2] == ["python", "-m"]:
        parse_module(command.where, words[2], words[3:])


def settings_of_a_cloud():
    """Settings that `.env` would have."""
    names = ("PROJECT", "ZONE", "REGION", "BUCKET", "TPU", "IMAGE")
    return [f"{name}=some-{name.lower()}" for name in names]


def parse_module(where, name, words):
    """Start a program of ours, and end it as soon as its options are read."""
    main = main_of(name)
    plain, settings = argparse.ArgumentParser.parse_args, arguments.list_wrong_choices

    def parse_plain(*given, **keywords):
        plain(*given, **keywords)
        raise Parsed

    def parse_settings(config):
        if wrong := settings(config):
            return wrong
        raise Parsed

    with (
        patch.object(argparse.ArgumentParser, "parse_args", parse_plain),
        patch.object(arguments, "list_wrong_choices", parse_settings),
        patch("sys.argv", [name, *words]),
    ):
        try:
            main(*([list(words)] if main.__code__.co_argcount else []))
        except Parsed:
            return
        except (SystemExit, ValueError, OSError) as error:
            raise AssertionError(f"{where}: python -m {name} {' '.join(words)}: {error}") from error
    raise AssertionError(f"{where}: python -m {name} {' '.join(words)} read no options")
