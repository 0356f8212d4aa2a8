import dataclasses

import pytest

from prep.build.dataset import build_dataset
from prep.dataset.reading import read_split
from prep.errors import UsageError
from prep.tasks import get_task
from prep.tokens.truncation import TRUNCATIONS, truncate
from prep.tokens.vocabulary import Vocabulary

EOS = 1
MARKER = 900


def cut(length, max_length, keep):
    ids = [list(range(10, 10 + length))]
    was_cut = truncate(ids, max_length, EOS, keep, MARKER)
    return ids[0], was_cut == {0}


def test_head_keeps_the_start():
    assert cut(6, 4, "head") == ([10, 11, 12, EOS], True)


def test_tail_keeps_the_end():
    assert cut(6, 4, "tail") == ([13, 14, 15, EOS], True)


def test_head_and_tail_at_512_keep_255_and_256_around_the_marker():
    ids, was_cut = cut(700, 512, "head_tail")
    assert was_cut
    assert ids[:255] == list(range(10, 265))
    assert ids[255] == MARKER
    assert ids[256:] == [*range(710 - 255, 710), EOS]
    assert len(ids[256:]) == 256


@pytest.mark.parametrize("keep", TRUNCATIONS)
@pytest.mark.parametrize("max_length", [2, 3, 4, 5, 7, 8, 100])
@pytest.mark.parametrize("extra", [0, 1, 2, 50])
def test_a_cut_sequence_is_exactly_as_long_as_allowed(keep, max_length, extra):
    ids, was_cut = cut(max_length + extra, max_length, keep)
    assert was_cut
    assert len(ids) == max_length
    assert ids[-1] == EOS
    assert ids.count(MARKER) == (keep == "head_tail")


@pytest.mark.parametrize("keep", TRUNCATIONS)
def test_what_fits_is_left_alone(keep):
    assert cut(511, 512, keep) == ([*range(10, 521), EOS], False)
    assert cut(0, 2, keep) == ([EOS], False)


def first_row(options, keep, **changes):
    task = dataclasses.replace(get_task("rte"), truncation=keep)
    chosen = options(tasks=(task,), max_input_length=8, **changes)
    manifest = build_dataset(chosen, report=lambda line: None)
    table = read_split(chosen.out, manifest, "rte", "train")
    return table.input_ids(0).tolist(), manifest


def test_a_build_cuts_as_the_task_says(rte_options, small_vocabulary, tmp_path):
    vocabulary = Vocabulary(small_vocabulary)
    whole = vocabulary.encode("rte sentence1: a man 0 sentence2: the cat 0")
    expected = {
        "head": [*whole[:7], EOS],
        "tail": [*whole[-7:], EOS],
        "head_tail": [*whole[:3], vocabulary.sentinel_id(1), *whole[-3:], EOS],
    }
    for keep, ids in expected.items():
        found, manifest = first_row(rte_options, keep, out=tmp_path / keep)
        assert found == ids
        assert manifest.task("rte").truncation == keep
        assert manifest.task("rte").split("train").truncated_share == 1.0


def test_a_build_option_overrides_the_task(rte_options, tmp_path):
    found, manifest = first_row(rte_options, "head", out=tmp_path / "a")
    overridden, _ = first_row(rte_options, "tail", out=tmp_path / "b", truncation="head")
    assert overridden == found
    assert manifest.task("rte").truncation == "head"
    with pytest.raises(UsageError, match="truncation of rte differ"):
        first_row(rte_options, "head", out=tmp_path / "a", truncation="tail")


def test_a_task_may_be_shorter_than_the_dataset(rte_options):
    task = dataclasses.replace(get_task("rte"), max_input_length=6, max_target_length=2)
    manifest = build_dataset(rte_options(tasks=(task,)), report=lambda line: None)
    split = manifest.task("rte").split("train")
    assert (split.longest_input, split.longest_target) == (6, 2)
    assert manifest.max_input_length == 512


def test_an_unknown_truncation_gets_a_hint(rte_options):
    with pytest.raises(UsageError, match="no truncation 'heads'; did you mean 'head'"):
        rte_options(truncation="heads")
    with pytest.raises(UsageError, match="task 'rte': there is no truncation 'middle'"):
        dataclasses.replace(get_task("rte"), truncation="middle")
    with pytest.raises(UsageError, match="max_input_length is 1; it must be >= 2"):
        dataclasses.replace(get_task("rte"), max_input_length=1)
