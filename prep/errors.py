"""The two kinds of error a person can meet, and how a command reports them.

A mistake in what was asked for (an unknown task, a bad option) exits with 2; something wrong with
the data itself (a missing file, a corrupt shard) exits with 1. Either way it is one line.
"""

import contextlib
import difflib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO

_OURS = ("prep", "adapters_tf", "eval", "trainer")
INTERRUPTED = 3  # stopped before the end by a signal; the same command goes on
CLOSED = 141  # what a shell reports for a program that wrote to a closed pipe: 128 + SIGPIPE
_MANY_NAMES = 12  # more are not listed in a message
_NEAREST = 4  # of so many


class UsageError(ValueError):
    """What was asked for cannot be: an unknown name, an impossible option.

    Attributes:
        lines: How a command says it where one line would be too long; empty: in one line.
    """

    exit_code = 2
    lines: tuple[str, ...] = ()


class DataError(ValueError):
    """The data is not what it should be: a file missing, a shard corrupt, a split empty."""

    exit_code = 1


def nearest(name: str, valid: Iterable[str]) -> str:
    """Phrase a hint for a name that was not found.

    Args:
        name: The name that was asked for.
        valid: The names that exist.

    Returns:
        "did you mean 'rte'?" when one is close, otherwise the list of valid names, or, where they
        are many, the least far.
    """
    names = sorted(valid)
    by_folded = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    if close:
        return f"did you mean {by_folded[close[0]]!r}?"
    if len(names) > _MANY_NAMES:
        least_far = difflib.get_close_matches(name.casefold(), by_folded, _NEAREST, cutoff=0.0)
        shown = ", ".join(by_folded[folded] for folded in least_far)
        return f"the nearest of {len(names)} names: {shown}"
    return f"valid names: {', '.join(names)}" if names else "there are none"


def describe_os_error(error: OSError) -> str:
    """Say in one line what the operating system refused, naming the file.

    Args:
        error: The error as it was caught.

    Returns:
        A sentence fragment such as "disk full: no space left while writing a.tfrecord".
    """
    where = f" {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"disk full: no space left on device while writing{where or ' the output'}"
    if isinstance(error, FileNotFoundError):
        return f"no such file or folder:{where or f' {error}'}"
    if isinstance(error, PermissionError):
        return f"permission denied:{where or f' {error}'}"
    if isinstance(error, IsADirectoryError):
        return f"expected a file, found a folder:{where or f' {error}'}"
    return str(error)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person is at the other end of a standard stream.

    Args:
        stream: None where the shell closed it.

    Returns:
        Whether it is a terminal.
    """
    return stream is not None and stream.isatty()


def run_command(
    main: Callable[[list[str] | None], int | None], argv: Sequence[str] | None = None
) -> int:
    """Run a command line program, turning its errors into one line and an exit code.

    Args:
        main: Takes the arguments (None: those of the process), returns an exit code or None.
        argv: Arguments after the program's name.

    Returns:
        0 on success, 1 for data and system errors, 2 for usage errors, 3 when SIGTERM or Ctrl-C
        ended it, 141 when nobody reads the output any more.
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
        first, *others = getattr(error, "lines", ()) or (str(error),)
        return _report(first, getattr(error, "exit_code", 1), others)
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


def _report(message: str, exit_code: int, others: Sequence[str] = ()) -> int:
    print("\n".join((f"error: {' '.join(message.split())}", *others)), file=sys.stderr)
    return exit_code
