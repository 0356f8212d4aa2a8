from collections import Counter

import numpy as np
import pytest

from prep.sources.blocks import parse_block
from prep.splits.finding import plan_task
from prep.tasks import get_task
from prep.tasks.catalogue.scan_grammar import jump_split, length_split, scan_pairs, simple_split
from prep.tasks.examples import row_to_example


def test_there_are_20910_different_commands():
    pairs = scan_pairs()
    assert len(pairs) == len({pair.command for pair in pairs}) == 20_910


def test_the_worked_examples_of_the_paper():
    """The examples of figure 1 of Lake and Baroni 2018."""
    actions = dict(scan_pairs())
    assert actions["jump"] == "I_JUMP"
    assert actions["jump left"] == "I_TURN_LEFT I_JUMP"
    assert actions["jump around right"] == " ".join(["I_TURN_RIGHT I_JUMP"] * 4)
    assert actions["turn left twice"] == "I_TURN_LEFT I_TURN_LEFT"
    assert actions["jump thrice"] == "I_JUMP I_JUMP I_JUMP"
    assert actions["jump opposite left and walk thrice"] == (
        "I_TURN_LEFT I_TURN_LEFT I_JUMP I_WALK I_WALK I_WALK"
    )
    assert actions["jump opposite left after walk around left"] == (
        " ".join(["I_TURN_LEFT I_WALK"] * 4) + " I_TURN_LEFT I_TURN_LEFT I_JUMP"
    )


@pytest.mark.parametrize(
    ("split", "training", "testing"),
    [(simple_split, 16_728, 4_182), (length_split, 16_990, 3_920), (jump_split, 14_670, 7_706)],
)
def test_splits_have_the_published_sizes_and_share_nothing(split, training, testing):
    train, test = split()
    assert (len(train), len(test)) == (training, testing)
    assert not set(train) & set(test)


def test_the_length_split_cuts_at_22_actions():
    train, test = length_split()
    assert max(len(pair.actions.split()) for pair in train) == 22
    assert {len(pair.actions.split()) for pair in test} == {
        24,
        25,
        26,
        27,
        28,
        30,
        32,
        33,
        36,
        40,
        48,
    }


def test_the_jump_split_shows_jump_alone():
    train, test = jump_split()
    counts = Counter(pair.command for pair in train if "jump" in pair.command)
    assert counts == {"jump": 1_467}
    assert all("jump" in pair.command and pair.command != "jump" for pair in test)


@pytest.mark.parametrize("name", ["scan_simple", "scan_length", "scan_jump"])
def test_validation_is_taken_from_training_alone(name):
    rows = get_task(name).source.generate()
    assert len(rows["validation"]) == 500
    commands = {split: {row["command"] for row in part} for split, part in rows.items()}
    assert not commands["train"] & commands["validation"]
    assert not commands["test"] & (commands["train"] | commands["validation"])
    published = {"scan_simple": 16_728, "scan_length": 16_990, "scan_jump": 14_670}
    assert len(rows["train"]) + 500 == published[name]


@pytest.mark.parametrize("name", ["scan_length", "scan_jump"])
def test_the_first_rows_of_a_split_are_a_fair_sample_of_it(name):
    rows = get_task(name).source.generate()
    for part in rows.values():
        lengths = np.array([row["actions"].count(" ") + 1 for row in part])
        sample = lengths[:200]
        assert abs(sample.mean() - lengths.mean()) < 4 * lengths.std() / np.sqrt(len(sample))


def test_the_pairs_are_those_of_the_published_files(real_data):
    task = get_task("scan_file_simple")
    make = row_to_example(task)
    published = Counter()
    for split in plan_task(task, real_data, 4096).splits:
        for block in split.open_blocks():
            for offset, row in enumerate(parse_block(block), block.first_index):
                if split.is_member is None or split.is_member[offset]:
                    example = make(row)
                    command = example.inputs.removeprefix("scan_file_simple command: ")
                    published[command, example.targets] += 1
    assert published == Counter(scan_pairs())
