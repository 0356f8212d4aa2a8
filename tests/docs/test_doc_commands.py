"""Every command of the README and the pages is run, or read by its own parser."""

from pathlib import Path

import pytest

from tests.docs.commands import Command, parse, read_commands, words_to_run
from tests.docs.pages import read_blocks, run_module
from tests.docs.test_pages import PAGES_THAT_RUN
from tests.docs.workshop import fill, furnish
from tests.gcs_emulator.server import Emulator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {
    page.name: list(read_commands(page.name, page.read_text("utf-8")))
    for page in PAGES
    if page.name != "log.md"
}
ALL = [one for commands in COMMANDS.values() for one in commands]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workshop")
    store = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, Emulator(store).serving() as emulator:
        patch.chdir(folder)
        furnish(folder)
        emulator.store.create_bucket("bucket")
        fill("bucket", emulator.store.put)
        for name, value in emulator.client_settings().items():
            patch.setenv(name, value)
        for name, value in emulator.tensorflow_settings().items():
            patch.setenv(name, value)
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name, found in COMMANDS.items() if found])
def test_the_commands_of(page, workshop, monkeypatch):
    monkeypatch.chdir(workshop)
    text = next(file for file in PAGES if file.name == page)
    for block in read_blocks(text):
        if block.mark.startswith("file: ") and page not in PAGES_THAT_RUN:
            Path(block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
    for command in COMMANDS[page]:
        if command.verdict == "run":
            run_module(words_to_run(command))
        elif command.verdict == "parsed":
            parse(command, ROOT)


def test_no_command_is_without_a_verdict():
    assert len(ALL) > 100
    for command in ALL:
        if command.verdict == "run":
            words_to_run(command)
        elif command.verdict == "page":
            assert command.where.partition(":")[0] in PAGES_THAT_RUN


def test_what_can_be_run_is_not_only_read():
    assert sum(one.verdict != "parsed" for one in ALL) >= 70


TEXT = """\
<!-- test: --steps 1 -->
<!-- parsed where gs://: a bucket is needed -->
```
python -m prep build \\
    --out data   # a remark
python -m prep build --out gs://there
```

<!-- output -->
```
python -m nothing
```

```text
not a command
```

```
rm -rf data
```
"""


def test_commands_are_found_with_what_is_done_of_them(tmp_path):
    first, second, last = read_commands("page.md", TEXT)
    build = ("python", "-m", "prep", "build", "--out")
    assert first == Command("page.md:3", (*build, "data"), "run", "--steps 1")
    assert second == Command("page.md:3", (*build, "gs://there"), "parsed", "a bucket is needed")
    assert words_to_run(first) == [*build, "data", "--steps", "1"]
    with pytest.raises(AssertionError, match="rm -rf data: nothing says what is done"):
        words_to_run(last)
    with pytest.raises(AssertionError, match="no comment of a block"):
        list(read_commands("page.md", "<!-- perhaps: x -->\n```\nmake help\n```\n"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("python -m prep bild --out x", "there is no 'bild'"),
        ("python -m eval --run x --beems 4", "unknown option --beems"),
        ("python -m trainer --trainng.steps 3", "trainng"),
        ("python -m trainer --optimizer.name sgd", "sgd"),
        ("make demmo", "No rule to make target"),
        ("python -m eval --run x --beams 4", None),
        ("python -m trainer --training.steps 3", None),
        ("make demo", None),
    ],
)
def test_what_a_parser_does_not_know_is_found(words, problem):
    command = Command("page.md:1", tuple(words.split()), "parsed", "it takes hours")
    if problem is None:
        parse(command, ROOT)
        return
    with pytest.raises(AssertionError, match=problem):
        parse(command, ROOT)


def test_why_a_command_is_not_run_has_to_be_said():
    with pytest.raises(AssertionError, match="say why it is not run"):
        parse(Command("page.md:1", ("make", "demo"), "parsed", "no"), ROOT)
