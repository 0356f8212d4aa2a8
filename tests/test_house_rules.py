"""Rules of the house that no linter knows."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("prep", "adapters_tf", "trainer", "eval")
SOURCES = [
    path
    for folder in (*PACKAGES, "tests", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PACKAGED = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES]

# Verbs that docstrings begin with; "Returns" is told from a plural such as "Rows" by them.
VERBS = """
accept act adapt add allow answer append apply ask assert assign attach attend average begin
bind broadcast build cache calculate call carry cast change check choose clean clear close
collect combine compare compile compute concatenate configure construct convert copy count
create cut deal declare decode define delete derive describe detect determine disable display
divide do download draw drop embed enable encode end ensure estimate evaluate execute expand
export extend extract feed fetch fill filter find fingerprint fit flatten follow forget frame
fuse gather generate get give go group guess hand handle hash have hide hold identify ignore
import initialize insert invert join keep launch lay learn leave let lift list listen load
lock log look make map mark mask match measure merge move multiply name normalise normalize
note number open pack pad parse pass permute phrase pick place plan plot prepare prevent print
process produce project prove provide prune put quantize raise read rebuild receive record
reduce refuse register reject release remember remove render repeat replace report represent
reset reshape resolve restore retry return reverse rewrite round run sample save say scale
scan score search see select send serialize set shard share show shuffle silence skip slice
sort spell split stack stage start stop store stream strip sum swap switch synchronize take
tell test tie tokenize train transform translate transpose truncate try turn unbind undo
unpack update upload use validate verify wait warn word work wrap write yield
"""

# The source text of these is part of a dataset's digest (prep/tasks/digest.py): a word changed in
# their docstrings would make every dataset of the task one that was built with other options.
DIGESTED = """
answers_in_field fill_processed flatten_spans flatten_translation gold_answers keep_labelled
keep_russian keep_true mark_pronoun mark_spans nest_question number_social_label
padded_answers published_actions published_command raw_answers right_entities
round_similarity split_question spread_answers spread_queries word_commonsense_question
word_commonsense_question_plainly word_endings word_endings_plainly word_multirc
word_multirc_plainly word_record word_record_plainly word_squad
"""

# What an entry of a docstring's section begins with: a capital, a number, a quotation or a shape in
# brackets; or what is written small anywhere: a dtype, an address, a letter of a formula.
ENTRY_START = re.compile(
    r"""[A-Z0-9−\-"'`(\[{]|(u?int|b?float)(8|16|32|64)\b"""
    r"""|(bool|float|int) \[|gs://|[b-z]\b(?!\.)"""
)
ENTRY = re.compile(r"    [*\w`.]+(?: \(.*?\))?: (?P<text>.*)")


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname) for alias in node.names)


def test_there_is_something_to_check():
    assert len(SOURCES) > 60


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_hides_the_builtin_eval(path):
    """`import eval` would make the builtin unreachable; `from eval import …` is the way."""
    assert ("eval", None) not in list(imported_modules(path))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_wing_is_a_package(package):
    """Setuptools leaves out what has no `__init__.py`; its docstring says what is in the wing."""
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    for folder in folders:
        text = (folder / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), folder


def test_pytest_goes_into_every_folder_of_tests(pytestconfig):
    """What it has been told to pass by, `build` by default, would not be missed by anybody."""
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    names = {part for folder in folders for part in folder.relative_to(ROOT).parts}
    assert "build" in names
    passed_by = pytestconfig.getini("norecursedirs")
    assert [name for name in sorted(names) if any(fnmatch(name, one) for one in passed_by)] == []


def test_make_help_lists_every_target():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    phony = next(line for line in lines if line.startswith(".PHONY:")).split()[1:]
    described = {line.split(":")[0] for line in lines if "## " in line and line[0].isalpha()}
    targets = {line.split(":")[0] for line in lines if line[:1].isalpha() and ":" in line}
    targets -= {line.split(" ")[0] for line in lines if "=" in line.split(":")[0]}
    # `setup` is described where its file target is named.
    assert set(phony) == described
    assert {target for target in targets if " " not in target} <= set(phony)


def documented(path):
    """Yield each module, class and function of a file that has a docstring, with it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node, text


def decorators(node):
    calls = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return {ast.unparse(name).rpartition(".")[2] for name in calls}


def is_third_person(word):
    """Tell "Returns", "Copies" and "Has" from "Return" and from plurals such as "Rows"."""
    word = word.strip(",;:.").lower()
    endings = (("s", ""), ("es", ""), ("ies", "y"), ("has", "have"))
    return any(
        word.endswith(ending) and word.removesuffix(ending) + own in VERBS.split()
        for ending, own in endings
    )


def speaks_in_third_person(node, text):
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    if not is_function or decorators(node) & {"property", "cached_property"}:
        return False
    return is_third_person(text.split()[0])


def section_entries(text):
    """Yield the entries of the sections that describe arguments, fields, results and errors."""
    section = None
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = line.removesuffix(":")
            is_first = True
        elif section in ("Args", "Attributes", "Raises"):
            if match := ENTRY.fullmatch(line):
                yield match["text"]
        elif section in ("Returns", "Yields") and line and is_first:
            yield line.strip()
            is_first = False


def has_fields(node):
    is_record = "dataclass" in decorators(node) or "NamedTuple" in {
        ast.unparse(base).rpartition(".")[2] for base in node.bases
    }
    return is_record and any(isinstance(part, ast.AnnAssign) for part in node.body)


def faults_of(path):
    for node, text in documented(path):
        where = f"line {getattr(node, 'lineno', 1)}: "
        if speaks_in_third_person(node, text) and node.name not in DIGESTED.split():
            yield f"{where}{node.name}: {text.split()[0]!r} is not imperative"
        for entry in section_entries(text):
            if not ENTRY_START.match(entry):
                yield f"{where}the entry {entry!r} begins with a small letter"
        headings = text.splitlines()
        is_wrong = "Attributes:" not in headings or "Args:" in headings
        if isinstance(node, ast.ClassDef) and has_fields(node) and is_wrong:
            yield f"{where}{node.name}: fields are described under Attributes"
        if any(line.startswith("Shapes:") for line in headings):
            yield f"{where}shape letters are listed under 'Shape letters:'"


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_speak_with_one_voice(path):
    """Functions are told what to do; what describes their arguments is written as sentences."""
    assert list(faults_of(path)) == []


def test_what_is_exempt_from_the_one_voice_needs_to_be():
    exempt = {
        node.name
        for path in (ROOT / "prep" / "tasks").rglob("*.py")
        for node, text in documented(path)
        if speaks_in_third_person(node, text)
    }
    assert exempt == set(DIGESTED.split())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, True) for word in ("Returns", "Copies", "Has", "Passes,", "Does", "Undoes")),
        *((word, False) for word in ("Return", "Rows", "Bias", "Pass", "Process", "Across")),
    ],
)
def test_third_persons_are_told_from_plurals(word, expected):
    assert is_third_person(word) == expected
