"""Cutting token ids to a maximum length: what a task can afford to lose is the task's to say.

A question before a long passage survives when the end is cut ("head"); a dialogue whose last turn
matters survives when the beginning is cut ("tail"); a document that opens with its subject and
ends with its conclusion keeps both, with a marker where the middle was ("head_tail").
"""

from collections.abc import Sequence

from prep.errors import UsageError, nearest

TRUNCATIONS = ("head", "tail", "head_tail")
MARKER_SENTINEL = 1  # <extra_id_1> stands where the middle was
MIN_LENGTH = 2  # the marker and EOS, or one token and EOS


def check_truncation(name: str, where: str) -> None:
    """Check the name of a way to truncate.

    Args:
        name: As a person wrote it.
        where: What it was written for, for the message.

    Raises:
        UsageError: If it is none of `TRUNCATIONS`.
    """
    if name not in TRUNCATIONS:
        raise UsageError(f"{where}: there is no truncation {name!r}; {nearest(name, TRUNCATIONS)}")


def split_choices(ids: Sequence[int], eos_id: int) -> list[list[int]]:
    """Take apart the texts of several choices.

    Args:
        ids: Token ids, an EOS behind each text.
        eos_id: That token.

    Returns:
        The ids of each, without EOS.
    """
    parts: list[list[int]] = [[]]
    for token in ids:
        if token == eos_id:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts[:-1]


def truncate(
    sequences: Sequence[list[int]],
    max_length: int,
    eos_id: int,
    keep: str = "head",
    marker_id: int = -1,
) -> set[int]:
    """Cut token ids in place where they are too long, and end every sequence with EOS.

    Args:
        sequences: Token ids without EOS.
        max_length: Tokens, EOS included; at least 2.
        eos_id: The token that ends every sequence, cut or not.
        keep: "head" keeps the first tokens, "tail" the last, "head_tail" the first
            `max_length // 2 - 1` and the last, the marker between them: of 512 tokens 255, the
            marker, and 256 of which the last is EOS.
        marker_id: The marker's token id, for "head_tail".

    Returns:
        Positions of the sequences that were cut.
    """
    cut = set()
    head = max_length // 2 - 1
    for position, ids in enumerate(sequences):
        if len(ids) >= max_length:
            cut.add(position)
            if keep == "head":
                del ids[max_length - 1 :]
            elif keep == "tail":
                del ids[: len(ids) - max_length + 1]
            else:
                ids[head : len(ids) - (max_length - head - 2)] = [marker_id]
        ids.append(eos_id)
    return cut
