"""The errors a wrong model or adapter setting raises, and how a command reports them.

`prep.errors` has the same rules for the nearest name and for what ends a command; neither package
may import the other, so a test holds the two copies together.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import io
import os
import re
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

_OURS = ("prep", "adapters_tf", "eval", "trainer")
INTERRUPTED = 3  # stopped before the end by a signal; the same command goes on
CLOSED = 141  # what a shell reports for a program that wrote to a closed pipe: 128 + SIGPIPE
_AROUND = re.compile(r"^(\{\{.*?\}\} ?)+| \[Op:\w+\]$")  # TensorFlow's words around a reason
FULL = "disk full"
_MANY_NAMES = 12  # more are not listed in a message
_NEAREST = 4  # of so many


class ConfigurationError(ValueError):
    """A setting the user chose cannot work; commands exit with code 2."""

    exit_code = 2


class WeightsError(ValueError):
    """A file of weights does not hold what it should; commands exit with code 1."""

    exit_code = 1


def suggest(name: str, valid: Iterable[str]) -> str:
    """Name the nearest valid value, or all of them, or, where they are many, the least far.

    Args:
        name: What the user wrote.
        valid: What would have been accepted.

    Returns:
        A phrase to end an error message with.
    """
    choices = [str(choice) for choice in valid]
    by_folded = {choice.casefold(): choice for choice in sorted(choices)}
    near = difflib.get_close_matches(str(name).casefold(), by_folded, n=1)
    if near:
        return f"did you mean {by_folded[near[0]]!r}?"
    if len(choices) > _MANY_NAMES:
        least_far = difflib.get_close_matches(str(name).casefold(), by_folded, _NEAREST, cutoff=0.0)
        shown = ", ".join(by_folded[folded] for folded in least_far)
        return f"the nearest of {len(choices)} names: {shown}"
    return f"valid: {', '.join(choices)}" if choices else "there are none"


def reason_of_refusal(message: str) -> str:
    """Find in what TensorFlow says of a file that it could not read or write the reason.

    Args:
        message: TensorFlow's: nodes, a path, the reason, an operation, and more lines.

    Returns:
        Such as `File too large`; `FULL` where there is no space left.
    """
    line = _AROUND.sub("", message.strip().partition("\n")[0])
    where, mark, reason = line.rpartition("; ")
    found = reason if mark and where.startswith(("/", "gs://")) else line
    is_full = any(words in found.lower() for words in ("no space left", "disk quota exceeded"))
    return FULL if is_full else found


def wrap_lines(text: str, columns: int) -> str:
    """Break the lines of a text that are too long.

    Args:
        text: Of one or more lines.
        columns: How wide they may be.

    Returns:
        The text; what goes on is indented.
    """
    wrapped: list[str] = []
    for line in text.split("\n"):
        short = [line] if len(line) <= columns else None
        wrapped += short or textwrap.wrap(
            line,
            columns,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(wrapped)


def say_note(text: str) -> None:
    """Tell a person what is not an error and should be known.

    Args:
        text: One line; it is written to the standard error, in a terminal not wider than that.
    """
    line = f"note: {' '.join(text.split())}"
    if sys.stderr is not None and sys.stderr.isatty():
        line = wrap_lines(line, shutil.get_terminal_size().columns)
    print(line, file=sys.stderr, flush=True)


def run_command(
    main: Callable[[list[str] | None], int | None], argv: Sequence[str] | None = None
) -> int:
    """Run a command line program, turning its errors into one line and an exit code.

    Args:
        main: Takes the arguments (None: those of the process), returns an exit code or None.
        argv: Arguments after the program's name.

    Returns:
        0 on success, 1 for data and system errors, 2 for what cannot be asked, 3 when SIGTERM or
        Ctrl-C ended it, 141 when nobody reads the output any more.
    """
    for stream in (sys.stdout, sys.stderr):  # None where the shell closed it
        if isinstance(stream, io.TextIOWrapper):  # a letter that a terminal lacks is no error
            stream.reconfigure(errors="backslashreplace")
    with _sigterm_as_ctrl_c():
        return _run(main, argv)


def _run(main: Callable[[list[str] | None], int | None], argv: Sequence[str] | None) -> int:
    try:
        code = main(None if argv is None else list(argv)) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read along, such as `head` or `less`, has seen enough
        _drop_output()
        return CLOSED
    except ValueError as error:
        return _report(str(error), getattr(error, "exit_code", 1))
    except OSError as error:
        code = _report(describe_os_error(error), 1)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:  # it was the output that could not be written
            _drop_output()
        return code
    except ImportError as error:  # of a library: a broken installation, or a variable that hides it
        if (error.name or "").split(".")[0] in _OURS:
            raise
        return _report(f"{error}; `python -m trainer.doctor` says what is wrong", 1)
    except MemoryError as error:  # of one thing too large; what the system kills says nothing
        return _report(f"out of memory: {error}".removesuffix(": "), 1)
    except KeyboardInterrupt:
        return _report("stopped by a signal; the same command goes on", INTERRUPTED)


def describe_os_error(error: OSError) -> str:
    """Say in one line what the operating system refused, naming the file.

    Args:
        error: The error as it was caught.

    Returns:
        A sentence fragment.
    """
    where = f" {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{FULL}: no space left on device while writing{where or ' the output'}"
    if isinstance(error, FileNotFoundError):
        return f"no such file or folder:{where or f' {error}'}"
    if isinstance(error, PermissionError):
        return f"permission denied:{where or f' {error}'}"
    if isinstance(error, IsADirectoryError):
        return f"expected a file, found a folder:{where or f' {error}'}"
    return str(error)


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, which would end the program on the spot, end it in order."""
    is_ours = threading.current_thread() is threading.main_thread()
    is_ours = is_ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_ours:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _drop_output() -> None:
    """Let Python's own last flush of the output, as it ends, find a file that takes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(message: str, exit_code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return exit_code
