"""Completion of every command in bash and zsh: `eval "$(python -m trainer.completion bash)"`.

shtab writes what completes one program (https://docs.iterative.ai/shtab); shells look a program up
by its first word, here `python`. So all programs become the commands of one that nobody types, and
a function hands it the words after `-m`. Other uses of `python` complete files as before.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping

from adapters_tf.commands.arguments import OneLineParser
from prep.errors import run_command

PROGRAM = "t5_task_adapters"  # the one that nobody types
SHELLS = ("bash", "zsh")
_FILES = ("FILE", "CONFIG")
_FOLDERS = ("DIR", "FOLDER")
_FOLDER_NAMES = ("run", "dataset", "out", "directory")
# Their module loads TensorFlow; a test holds them together.
METHODS = (
    *("bottleneck", "lora", "ia3", "layer_norm", "conditional_layer_norm", "compacter"),
    *("hypernetwork", "prompt", "prefix", "fusion", "houlsby", "pfeiffer", "parallel", "dora"),
    *("hyperformer", "meta_adapter", "prefix_flat", "none", "compacter++", "hyperformer++"),
)

# Words of Python's own command line go before ours: `python -m prep` is our second word.
BASH = """
_{0}_python() {{
  if [[ $COMP_CWORD -ge 2 && ${{COMP_WORDS[1]}} == -m ]]; then
    local -a COMP_WORDS=({0} "${{COMP_WORDS[@]:2}}")
    local COMP_CWORD=$((COMP_CWORD - 1))
    _shtab_{0}
  fi
}}
complete -o bashdefault -o default -F _{0}_python python python3
"""
ZSH = """
_{0}_python() {{
  if (( CURRENT >= 3 )) && [[ ${{words[2]}} == -m ]]; then
    words=({0} "${{(@)words[3,-1]}}")
    (( CURRENT -= 1 ))
    typeset -A opt_args
    _shtab_{0}
  else
    _files
  fi
}}
compdef _{0}_python python python3
"""


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(
        prog="python -m trainer.completion",
        description="Print what completes all commands in a shell; in its startup file: "
        'eval "$(python -m trainer.completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS, help="bash or zsh")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Print the script of a shell.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The exit code.
    """
    print(write_script(make_parser().parse_args(argv).shell))
    return 0


def write_script(shell: str) -> str:
    """Write what a shell reads to complete all commands.

    Args:
        shell: One of `SHELLS`.

    Returns:
        Functions of that shell, and what ties them to `python` and `python3`.
    """
    import shtab

    script = shtab.complete(gather_programs(), shell, root_prefix=PROGRAM)
    # Its own last lines would tie it to the name that nobody types.
    end = (
        "typeset -A opt_args" if shell == "zsh" else f"complete -o bashdefault -F _shtab_{PROGRAM}"
    )
    body, found, _ = script.rpartition(f"\n{end}")
    assert found, f"shtab's script for {shell} ends otherwise than {end!r}"
    return body + (BASH if shell == "bash" else ZSH).format(PROGRAM)


def gather_programs() -> argparse.ArgumentParser:
    """Gather all programs as the commands of one."""
    import adapters_tf.commands.parsers as adapters
    import eval.__main__ as scoring
    import prep.__main__ as preparing
    import trainer.__main__ as training
    from eval import compare, export_serving, predict, reporting, serve, submit
    from prep.tasks import TASKS_BY_NAME
    from trainer import demo, quickstart
    from trainer.adding.options import make_adding_parser
    from trainer.doctor import command as doctor
    from trainer.preflight.options import make_preflight_parser

    program = argparse.ArgumentParser(prog=PROGRAM)
    commands = program.add_subparsers()
    copy(commands, "prep", preparing.make_parser(), words={"tasks": list(TASKS_BY_NAME)})
    copy(commands, "adapters_tf", adapters.make_parser(None))
    parts: dict[str, argparse.ArgumentParser] = {
        "compare": compare.make_parser(),
        "report": reporting.make_parser(),
        "submit": submit.make_parser(),
        "export-serving": export_serving.make_parser(),
        "serve": serve.make_parser(),
    }
    copy(commands, "eval", scoring.make_parser(), parts)
    copy(commands, "eval.predict", predict.make_parser())
    parts = {"quickstart": quickstart.make_parser(), "add-task": make_adding_parser()}
    copy(commands, "trainer", training.make_trainer_parser(), parts)
    copy(commands, "trainer.preflight", make_preflight_parser())
    copy(commands, "trainer.doctor", doctor.make_parser())
    copy(commands, "trainer.demo", demo.make_parser())
    copy(commands, "trainer.completion", make_parser())
    return program


def copy(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    parser: argparse.ArgumentParser,
    parts: Mapping[str, argparse.ArgumentParser] | None = None,
    words: Mapping[str, list[str]] | None = None,
) -> None:
    """Add a program's options and commands to those of another, in argparse's own classes.

    Args:
        commands: What it is added to.
        name: Of the program or command.
        parser: It.
        parts: Commands that it finds by itself, without argparse.
        words: By option, what it takes, of which its parser knows nothing.
    """
    plain = commands.add_parser(name, help=_explain(parser.description or ""), add_help=False)
    found = dict(parts or {})
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
        elif action.help != argparse.SUPPRESS:
            _copy_option(plain, action, words or {})
    if found:
        below = plain.add_subparsers()
        for part, one in found.items():
            copy(below, part, one, words=words)


def _copy_option(
    plain: argparse.ArgumentParser, action: argparse.Action, known: Mapping[str, list[str]]
) -> None:
    import shtab

    names = action.option_strings or [action.dest]
    text = _explain(action.help or "")
    if action.nargs == 0:
        plain.add_argument(*names, dest=action.dest, action="store_true", help=text)
        return
    words = known.get(action.dest) or _values_of(action)
    added = plain.add_argument(
        *names, nargs=action.nargs, choices=words, help=text, metavar=action.metavar
    )
    kind = str(action.metavar or action.dest.upper())
    if words is None and (kind in _FOLDERS or action.dest in _FOLDER_NAMES):
        added.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif words is None and kind in _FILES:
        added.complete = shtab.FILE  # type: ignore[attr-defined]


def _values_of(action: argparse.Action) -> list[str] | None:
    """List the words that an option takes; None where they are not a few."""
    from prep.tasks.wordings import FORMATS
    from trainer.settings.choices import CHOICES

    taken = {**CHOICES, "adapters.method": METHODS}
    if action.choices is not None:
        return [str(word) for word in action.choices]
    if action.option_strings and isinstance(action.default, bool):
        return ["true", "false"]
    if action.metavar == "WORDING":
        return list(FORMATS)
    return list(taken[action.dest]) if action.dest in taken else None


def _explain(text: str) -> str:
    """Cut a help down to its first clause, without what argparse would fill in."""
    first = re.split(r"[;:.] |\n", text.replace("`", ""))[0]
    return re.sub(r" ?\(default: %\(\w+\)s\)", "", first).replace("%", "")


if __name__ == "__main__":
    sys.exit(run_command(main))
