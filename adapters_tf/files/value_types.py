"""Whether a value read from a file is of a setting's type, and what that is called to a person."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_WORDS |= {tuple: "a list", dict: "keys and values", Mapping: "keys and values"}


def is_of(value: Any, hint: Any) -> bool:
    """Tell whether a value that YAML gave is of a type; whole numbers count as floats too.

    Args:
        value: With tuples in place of lists.
        hint: A type, as a dataclass names it.

    Returns:
        Whether it is.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(is_of(value, one) for one in inner)
    if origin is dict:
        key, held = inner
        return isinstance(value, dict) and all(
            is_of(name, key) and is_of(one, held) for name, one in value.items()
        )
    if origin is tuple:
        return isinstance(value, tuple) and all(is_of(one, inner[0]) for one in value)
    if hint in (int, float):
        numbers = (int, float) if hint is float else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def words_for(hint: Any) -> str:
    """Say what is expected of a value.

    Args:
        hint: A type, as a dataclass names it.

    Returns:
        Words such as "a whole number".
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(words_for(one) for one in inner if one is not NoneType)
    if origin is tuple:
        return f"a list of {words_for(inner[0]).removeprefix('a ')}s"
    return _WORDS.get(origin or hint, str(hint))
