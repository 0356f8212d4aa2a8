"""Every message that the page on errors quotes is one that a program can say."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"


def quoted(text):
    return re.findall(r"^> (.*)$", text, re.M)


def sayings():
    """Every text of the packages, with `…` for what is filled in."""
    for package in ("prep", "adapters_tf", "eval", "trainer"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        part.value if isinstance(part, ast.Constant) else "…"
                        for part in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.fixture(scope="module")
def all_sayings():
    return "\n".join(sayings())


@pytest.mark.parametrize("message", quoted(PAGE.read_text("utf-8")))
def test_the_message_is_in_the_source(message, all_sayings):
    assert len(message.replace("…", "").strip()) > 15, "too little to be found by"
    assert message in all_sayings


def test_a_message_that_nobody_says_is_found(all_sayings):
    assert quoted("> one\ntwo\n> three …\n") == ["one", "three …"]
    assert "the moon is made of … cheese" not in all_sayings
