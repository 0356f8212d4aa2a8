"""Guesses shown to a person in a terminal, who takes them or says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prep.drafting.columns import Column
from prep.drafting.roles import Roles, guess_roles
from prep.errors import UsageError, nearest

Ask = Callable[[str], str]


def _ask_person(question: str) -> str:
    """Ask in the terminal; its end (Ctrl-D) is no answer."""
    try:
        return input(question)
    except EOFError:
        print()
        raise UsageError(
            "no answer came and nothing was written; Enter takes what is guessed, --yes all of it"
        ) from None


def ask_roles(columns: Sequence[Column], guessed: Roles, ask: Ask = _ask_person) -> Roles:
    """Ask which columns hold the answers and which are asked about.

    Args:
        columns: Of the file.
        guessed: What is taken where a person just presses Enter.
        ask: Shows a question and returns the answer.

    Returns:
        The roles.
    """
    names = [column.name for column in columns]
    answers = _ask_names("answers are in", guessed.answers, names, ask)
    others = guessed if answers == guessed.answers else guess_roles(columns, answers)
    inputs = _ask_names("asked about are", others.inputs, names, ask, taken=answers)
    return guess_roles(columns, answers, inputs) if inputs != others.inputs else others


def _ask_names(
    what: str,
    guessed: Sequence[str],
    names: Sequence[str],
    ask: Ask,
    taken: Sequence[str] = (),
) -> tuple[str, ...]:
    while True:
        given = ask(f"{what} [{', '.join(guessed) or 'no column'}]: ").strip()
        if not given:
            return tuple(guessed)
        chosen = tuple(one.strip() for one in given.split(",") if one.strip())
        unknown = [one for one in chosen if one not in names]
        if unknown:
            print(f"there is no column {unknown[0]!r}; {nearest(unknown[0], names)}")
        elif both := set(chosen) & set(taken):
            print(f"{', '.join(sorted(both))}: that holds answers")
        else:
            return chosen


def ask_word(question: str, guessed: str, valid: Sequence[str], ask: Ask = _ask_person) -> str:
    """Ask for one of some words.

    Args:
        question: What is asked.
        guessed: What is taken where a person just presses Enter.
        valid: The words; empty for any.
        ask: Shows a question and returns the answer.

    Returns:
        The word.
    """
    while True:
        given = ask(f"{question} [{guessed}]: ").strip() or guessed
        if not valid or given in valid:
            return given
        print(f"there is no {given!r}; {nearest(given, valid)}")


def refuse_without_terminal(is_terminal: bool) -> None:
    """Refuse to ask where nobody can answer.

    Args:
        is_terminal: Whether standard input is one.

    Raises:
        UsageError: It is none.
    """
    if not is_terminal:
        raise UsageError("there is no terminal to ask in; --yes takes what is guessed")
