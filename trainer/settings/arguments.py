"""The command line: a config file, and every setting as a dotted option."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, get_loader, set_loader

from adapters_tf.runs.sections import RENAMED, renamed
from prep.errors import UsageError
from prep.version import SAID
from trainer.settings.choices import list_wrong_choices
from trainer.settings.config import RunConfig
from trainer.settings.config_file import check_config_file, repeated_keys
from trainer.settings.given_length import settle_length

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "{NAME: VALUE}, with a blank after the colon",
}

_NO_SECTION = re.compile(r"Parser key \"(.+?)\": Unable to load config '(.*?)' - .*")

# jsonargparse's words for a value of another type.
_OF_ANOTHER_TYPE = re.compile(
    r"Parser key \"(.+?)\": Expected a <class '(\w+)'>\. Got value: ?(.*)"
)


class SuggestingParser(ArgumentParser):
    """An argument parser whose errors are one line with the nearest valid option."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what the user got wrong."""
        line = " ".join(str(message).split())
        wrong = _OF_ANOTHER_TYPE.fullmatch(line)
        if wrong:
            expected = _EXPECTED.get(wrong[2], wrong[2])
            raise UsageError(
                f"{self._as_typed(wrong[1])}: expected {expected}, found {wrong[3]!r}"
            ) from ex
        if section := _NO_SECTION.fullmatch(line):
            example = f"--{section[1]}.NAME, or keys and values in braces"
            raise UsageError(f"--{section[1]}: expected {example}, found {section[2]!r}") from ex
        raise UsageError(line + self._suggestion(line)) from ex

    def _as_typed(self, name: str) -> str:
        """Find the option that fills a value, such as --batch-size of batch_size."""
        options = (
            option
            for action in self._actions
            if action.dest == name
            for option in action.option_strings
        )
        return next(options, f"--{name}")

    def _suggestion(self, message: str) -> str:
        options = [option for action in self._actions for option in action.option_strings]
        for word in re.findall(r"[\w.-]+", message):
            name = "--" + word.lstrip("-").split("=")[0]
            longer = [option for option in options if option.startswith(name) and name != "--"]
            elsewhere = [
                option
                for option in options
                if word.startswith("--") and _last_part(option) == _last_part(name)
            ]
            near = longer or elsewhere or difflib.get_close_matches(name, options, n=1, cutoff=0.75)
            if near and name not in options:
                return f"; did you mean {near[0]}?"
        return ""


def _last_part(option: str) -> str:
    return option.lstrip("-").rpartition(".")[2]


def make_parser(
    prog: str = "python -m trainer",
    description: str = "Train a run, or go on with it where it stopped.",
    kind: type[SuggestingParser] = SuggestingParser,
) -> SuggestingParser:
    """Build the parser: a config file, and every setting as a dotted option.

    Args:
        prog: The command, for its help.
        description: What it does, for its help.
        kind: Of parser: one may have another help.

    Returns:
        The parser, to which options may be added.
    """
    # A later option would change what a shortened one means.
    parser = kind(prog=prog, description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=SAID)
    # All settings in one line of usage would be sixty lines before what the command does.
    parser.usage = f"{prog} [--config FILE] [--SETTING VALUE …]"
    parser.add_argument("--config", action="config", help="YAML or JSON file of settings")
    parser.add_class_arguments(RunConfig)
    for action in parser._actions:
        # Its name stands there twice, as of any list, and in 80 columns there is no room for more.
        if action.dest == "optimizer.schedule_steps":
            action.metavar = "STEPS"
    return parser


def read_arguments(argv: Sequence[str] | None) -> RunConfig:
    """Read the command line.

    Args:
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The settings.

    Raises:
        UsageError: An unknown option, or a value of another type.
    """
    return read_options(make_parser(), argv)[0]


def read_options(
    parser: SuggestingParser, argv: Sequence[str] | None
) -> tuple[RunConfig, dict[str, Any]]:
    """Read a command line that has options beside a run's settings.

    Args:
        parser: As `make_parser` built it, with more options.
        argv: Arguments after the program's name; None for those of the process.

    Returns:
        The settings, and the other options by name.

    Raises:
        UsageError: An unknown option, or a value of another type.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    for file in _config_files(words):
        check_config_file(file)
    for word in words:
        _refuse_repeated_keys(word)
    with _renaming():
        words = [_rename_option(word) for word in words]
        try:
            parsed = parser.parse_args(words)
        except yaml.MarkedYAMLError as error:  # of an option's own text
            wrong = next(filter(_is_no_yaml, words), "an option")
            raise UsageError(f"{wrong!r} is not YAML: {error.problem}") from None
    del parsed["config"]
    values = dict(vars(parser.instantiate(parsed)))
    names = {one.name for one in dataclasses.fields(RunConfig)}
    settings = {name: values.pop(name) for name in names}
    config = RunConfig(**settings)
    if mistakes := list_wrong_choices(config):
        raise UsageError(mistakes[0])
    with _renaming(), contextlib.redirect_stderr(io.StringIO()):  # what is noted was noted above
        training = settle_length(config.training, parser, words)
    return dataclasses.replace(config, training=training), values


def _refuse_repeated_keys(word: str) -> None:
    """Refuse an option's text in which a key stands twice; YAML would take the last one."""
    text = word.partition("=")[2] if word.startswith("--") else word
    if "{" not in text:
        return
    with contextlib.suppress(yaml.YAMLError, RecursionError):  # they are told by whoever reads it
        for key in repeated_keys(yaml.compose(text, yaml.SafeLoader)):
            raise UsageError(f"{word!r}: the key {key.value!r} stands there twice")


def _is_no_yaml(word: str) -> bool:
    try:
        yaml.safe_load(word)
    except yaml.YAMLError:
        return True
    return False


def _config_files(words: Sequence[str]) -> Iterator[str]:
    """Find the files that a command line names; text in braces is settings, not a file."""
    for word, following in itertools.pairwise([*words, None]):
        if word == "--config" and following is not None:
            yield following
        elif word and word.startswith("--config="):
            yield word.partition("=")[2]


def _rename_option(word: str) -> str:
    """Give an option its name of today, so that the last one wins whatever it is called."""
    for section, (old, new) in RENAMED.items():
        if re.fullmatch(rf"--{section}\.{old}(=.*)?", word, re.DOTALL):
            _say(section)
            return word.replace(f"--{section}.{old}", f"--{section}.{new}", 1)
    return word


@contextlib.contextmanager
def _renaming() -> Iterator[None]:
    """Let settings in files, and sections given as one text, have their earlier names."""
    load = get_loader("yaml")

    def load_and_rename(text: Any, *more: Any, **options: Any) -> Any:
        return _rename_keys(load(text, *more, **options))

    set_loader("yaml", load_and_rename)
    try:
        yield
    finally:
        set_loader("yaml", load)


def _rename_keys(loaded: Any) -> Any:
    if not isinstance(loaded, dict):
        return loaded
    for section, (old, new) in RENAMED.items():
        fields = {one.name for one in dataclasses.fields(_section_class(section))}
        if isinstance(loaded.get(section), dict):
            loaded = {**loaded, section: _rename_key(loaded[section], section, old, new)}
        elif old in loaded and loaded.keys() <= fields | {old}:  # the section by itself
            loaded = _rename_key(loaded, section, old, new)
        loaded = _rename_key(loaded, section, f"{section}.{old}", f"{section}.{new}")
    return loaded


def _rename_key(values: dict[str, Any], section: str, old: str, new: str) -> dict[str, Any]:
    if old not in values:
        return values
    _say(section)
    if new in values and values[new] != values[old]:
        raise UsageError(
            f"{section}: {old} ({values[old]!r}) is the earlier name of {new} ({values[new]!r}); "
            f"leave one out"
        )
    return renamed(values, old, new)


def _section_class(section: str) -> Any:
    return next(one.default_factory for one in dataclasses.fields(RunConfig) if one.name == section)


def _say(section: str) -> None:
    old, new = RENAMED[section]
    print(f"note: {section}.{old} is called {section}.{new} now", file=sys.stderr)
