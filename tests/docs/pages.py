"""The pages of docs/, run: their files are written, their code and commands do what they say.

What a fenced block is for stands in a comment before it, which a reader of the page does not see:

| comment | the block |
|---|---|
| `<!-- file: NAME -->` | is written to NAME |
| `<!-- run -->` | is Python, or commands that begin with `python -m`; what they print is kept |
| `<!-- run: exits 2 -->` | is a command that ends so; its error is kept too |
| `<!-- output -->` | is what the last run printed; `…` stands for anything |
| `<!-- output: decimals vary -->` | the same, whatever the numbers with a decimal point are |

Commands run in this process: TensorFlow is imported once. What is done with the commands
of all other blocks is in `commands.py`.
"""

import contextlib
import importlib
import importlib.util
import io
import re
import shlex
from dataclasses import dataclass

from prep import run_command

BLOCK = re.compile(
    r"<!-- (?P<mark>[^>]*?) -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
DECIMAL = re.compile(r"-?\d+\.\d+(e-?\d+)?")


@dataclass(frozen=True)
class Block:
    """A marked block of a page.

    Attributes:
        mark: What the comment before it says.
        language: Of the fence.
        text: Its lines.
        line: Where it begins, from 1.
    """

    mark: str
    language: str
    text: str
    line: int


def read_blocks(page):
    """List the marked blocks of a page, but for those of `commands.py`."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(*found.group("mark", "language", "text"), text.count("\n", 0, found.start()) + 3)
        for found in BLOCK.finditer(text)
        if not re.match("test|parsed", found["mark"])
    ]


def run_page(page, folder):
    """Do what a page says, in a folder of its own, which must be the current one.

    Raises:
        AssertionError: Something was printed that the page does not say; it names the line.
    """
    printed, scope = "", {"__name__": page.stem.replace("-", "_")}
    for block in read_blocks(page):
        where = f"{page.name}:{block.line}"
        kind, _, detail = block.mark.partition(": ")
        if kind == "file":
            (folder / detail).parent.mkdir(parents=True, exist_ok=True)
            (folder / detail).write_text(block.text, encoding="utf-8")
        elif kind == "run":
            printed = run_block(block, page, scope, int(detail.removeprefix("exits ") or 0))
        elif kind == "output":
            assert is_like(block.text, printed, detail == "decimals vary"), (
                f"{where}: expected\n{block.text}\nprinted\n{printed}"
            )
        else:
            raise AssertionError(f"{where}: no block is {block.mark!r}")


def run_block(block, page, scope, code=0):
    """Run Python or commands; returns what they print."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), _errors_too(output, code):
        if block.language == "python":
            # Blank lines before it, so that a traceback names the line of the page.
            lines = "\n" * (block.line - 1) + block.text
            exec(compile(lines, str(page), "exec"), scope)
        else:
            for words in commands_of(block.text):
                run_module(words, code)
    return output.getvalue()


def _errors_too(output, code):
    return contextlib.redirect_stderr(output) if code else contextlib.nullcontext()


def commands_of(text):
    """Split lines into commands; backslashes and quotations join lines, hashes begin comments."""
    joined, commands, begun = text.replace("\\\n", " "), [], ""
    for line in joined.splitlines():
        try:
            words = shlex.split(begun + line, comments=True)
        except ValueError:  # a quotation that the next line ends
            begun += f"{line} "
            continue
        begun = ""
        commands += [words] if words else []
    assert not begun, f"a quotation has no end: {begun}"
    return commands


def run_module(words, code=0):
    """Do `python -m MODULE …` in this process, and make sure that it ends as it should."""
    assert words[:2] == ["python", "-m"], f"not python -m …: {words}"
    try:
        ended = run_command(main_of(words[2]), words[3:])
    except SystemExit as end:  # argparse's own way
        ended = end.code
    assert ended == code, f"{' '.join(words)} ended with {ended}"


def main_of(name):
    """Find the function that `python -m NAME` calls."""
    is_package = importlib.util.find_spec(name).submodule_search_locations is not None
    module = importlib.import_module(f"{name}.__main__" if is_package else name)
    # The doctor's is imported where it can be: a library that lacks is a finding of it.
    return getattr(module, "main", None) or importlib.import_module(f"{name}.command").main


def is_like(expected, printed, decimals_vary=False):
    """Compare what a page says with what was printed, blanks at ends of lines aside."""
    expected, printed = (
        "\n".join(line.rstrip() for line in text.strip().splitlines())
        for text in (expected, printed)
    )
    if decimals_vary:
        expected, printed = (DECIMAL.sub("0.0", text) for text in (expected, printed))
    pattern = ".*".join(map(re.escape, expected.split("…")))
    return re.fullmatch(pattern, printed, re.S) is not None
