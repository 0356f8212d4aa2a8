"""Regular expressions of task files mean what they mean to Python."""

import re
import warnings

import pytest

from prep.errors import DataError
from prep.tasks import patterns
from prep.tasks.patterns import check_pattern, find_pattern, is_match

PATTERNS = (
    r"#### (.+)",
    r"IN: (.*?) OUT:",
    r"(?<=OUT: ).*",
    r";;;.*",
    r"de|ru",
    r"20..",
    r"\\boxed{e}",
    r"x{i}",
    r"a{2}",
    r"a{,2}b{1,}",
    r"a{}",
    r"[[:alpha:]]+",
    r"[]a{]+",
    r"[^]]+",
    r"[\]{e}]+",
    r"\N{EM DASH}(.)",
    r"(?P<first>a)(?P=first)",
    r"(?i)AB",
    r"(?s:a.b)|(?x: a b )",
    r"(a)?(?(1)a|b)",
    r"\bword\b",
    r"(?!x)\w+$",
    r"\s*(\d+)\s*",
    "",
)
TEXTS = (
    "",
    "a",
    "aa",
    "aab",
    "AB",
    "a\nb",
    "a{}",
    "x{i}",
    "x",
    r"\boxed{e}",
    r"\boxed",
    ":a",
    "[a]",
    "{e}",
    "]",
    "—a",
    "a word here",
    "IN: jump OUT: I_JUMP\n#### 42\n",
    ";;; a comment",
    "2024",
    "ru",
    " 7 ",
    "Größe",
)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_a_pattern_matches_what_it_matches_in_python(pattern):
    check_pattern(pattern)
    for text in TEXTS:
        found = re.search(pattern, text, re.DOTALL)
        expected = None if found is None else found[found.re.groups and 1] or ""
        assert find_pattern(pattern, text) == expected, text
        assert is_match(pattern, text) == bool(re.fullmatch(pattern, text, re.DOTALL)), text


@pytest.mark.parametrize("pattern", ["(", "[", r"\p{L}", "a**", "(?<=a+)b", r"\N{NO SUCH}"])
def test_what_python_cannot_read_is_refused(pattern):
    with pytest.raises(ValueError, match=r"."):
        check_pattern(pattern)


def test_what_a_set_may_mean_some_day_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_pattern("[[a]")


@pytest.mark.parametrize("apply", [is_match, find_pattern])
def test_a_pattern_that_takes_too_long_is_given_up(monkeypatch, apply):
    monkeypatch.setattr(patterns, "SECONDS", 0.05)
    with pytest.raises(DataError, match=r"has no answer after 0.05 seconds for a text of 4,001"):
        apply("(a|aa)+$", "a" * 4000 + "c")
