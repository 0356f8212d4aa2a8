import dataclasses

import numpy as np
import pytest

from prep.build.dataset import build_dataset
from prep.commands.split_options import parse_selection
from prep.dataset.entries import ITSELF
from prep.dataset.reading import read_split
from prep.dataset.verification import find_problems
from prep.errors import UsageError
from prep.splits.finding import plan_task
from prep.splits.selection import select_rows
from prep.tasks import get_task

RTE = get_task("rte")


def select(data, carve=(), few_shot=(), limit=(), seed=0, task=RTE):
    return select_rows([plan_task(task, data, 8)], parse_selection(carve, few_shot, limit, seed))[0]


def sizes(plan):
    return {split.split: split.rows for split in plan.splits}


@pytest.fixture
def train_only(rte_data):
    """RTE with nothing but its training file, five of whose 30 rows say the same as others."""
    path = rte_data / "rte" / "train.tsv"
    extra = "".join(f"{90 + i}\ta man {i}\tthe cat {i}\tentailment\n" for i in range(5))
    path.write_text(path.read_text() + extra)
    layout = RTE.source.layouts[0]
    files = {"train": layout.files["train"]}
    source = dataclasses.replace(RTE.source, layouts=(dataclasses.replace(layout, files=files),))
    return dataclasses.replace(RTE, source=source)


def test_a_share_or_a_number_of_rows_is_carved(rte_data, train_only):
    assert sizes(select(rte_data, ["validation=train:10"], task=train_only))["validation"] in (
        10,
        11,
    )
    by_share = sizes(select(rte_data, ["validation=train:0.2"], task=train_only))
    assert by_share["validation"] in (7, 8)
    assert sum(by_share.values()) == 35


def test_splits_are_carved_one_after_the_other(rte_data, train_only):
    plan = select(rte_data, ["validation=train:20", "test=validation:0.5"], task=train_only)
    assert list(sizes(plan)) == ["train", "validation", "test"]
    masks = np.stack([split.is_member for split in plan.splits])
    assert (masks.sum(axis=0) == 1).all()
    assert len(plan.notes) == 3
    assert "test (10 rows) was carved out of rte" in plan.notes[-1] or "11 rows" in plan.notes[-1]


def test_no_inputs_come_to_lie_in_two_carved_splits(rte_options, train_only):
    for seed in range(5):
        selection = parse_selection(["validation=train:12", "test=validation:5"], [], [], seed)
        options = rte_options(tasks=(train_only,), selection=selection, force=True)
        manifest = build_dataset(options)
        assert all(
            split.duplicates.keys() <= {ITSELF} for split in manifest.task("rte").splits.values()
        )
        assert sum(split.examples for split in manifest.task("rte").splits.values()) == 35


def test_a_limit_draws_rows_and_keeps_their_order(rte_options):
    options = rte_options(selection=parse_selection([], [], ["train=7", "test=99"], 3))
    manifest = build_dataset(options)
    assert manifest.task("rte").split("train").examples == 7
    assert manifest.task("rte").split("test").examples == 4
    table = read_split(options.out, manifest, "rte", "train")
    assert table.examples.tolist() == list(range(7))
    assert "train is 7 of 30 rows, drawn with seed 3" in manifest.task("rte").notes
    assert list(find_problems(options.out)) == []


def test_few_shot_takes_as_many_of_each_label(rte_options, rte_data):
    with (rte_data / "rte" / "train.tsv").open("a") as file:
        file.write("x\ta\tb\tmaybe\n")
    options = rte_options(selection=parse_selection([], ["train=4"], [], 0))
    split = build_dataset(options).task("rte").split("train")
    assert split.label_counts == (4, 4)
    assert (split.examples, split.rejected) == (8, 0)


def test_few_shot_takes_all_there_are_of_a_rare_label(rte_data):
    plan = select(rte_data, few_shot=["validation=3"])
    assert sizes(plan)["validation"] == 5
    assert plan.notes[-1] == (
        "validation is a sample of 5 rows with seed 0: 3 entailment, 2 not_entailment"
    )


def test_the_seed_decides(rte_data):
    def chosen(seed):
        return select(rte_data, limit=["train=10"], seed=seed).find("train").is_member.tolist()

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(1)


def test_other_selections_are_other_datasets(rte_options):
    build_dataset(rte_options())
    selection = parse_selection([], [], ["train=7"], 0)
    with pytest.raises(UsageError, match="notes of rte differ"):
        build_dataset(rte_options(selection=selection))


def test_workers_do_not_change_a_selected_build(rte_options, tmp_path):
    selection = parse_selection(["dev=train:0.3"], ["dev=2"], ["train=11"], 1)
    contents = []
    for workers in (1, 2):
        options = rte_options(selection=selection, workers=workers, out=tmp_path / str(workers))
        build_dataset(options)
        paths = sorted(path for path in options.out.rglob("*") if path.is_file())
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"carve": ["validation=train"]}, "expected .*NEW=OLD:N"),
        ({"carve": ["dev=train:1.5"]}, "neither rows nor a share"),
        ({"carve": ["dev=train:0"]}, "neither rows nor a share"),
        ({"carve": ["train=train:5"]}, "out of itself"),
        ({"carve": ["validation=train:5"]}, "nothing to do for split 'validation'"),
        ({"carve": ["rte/validation=train:5"]}, "has a split 'validation' already"),
        ({"carve": ["rt/dev=train:5"]}, "no task 'rt' in this build; did you mean 'rte'"),
        ({"carve": ["dev=train:30"]}, "leaves nothing in it"),
        ({"carve": ["dev=train:0.001"]}, "leaves no dev"),
        ({"limit": ["train=0"]}, "--limit train=0: expected"),
        ({"limit": ["dev=5"]}, "nothing to do for split 'dev'"),
        ({"few_shot": ["train=x"]}, "--few-shot train=x: expected"),
        ({"seed": -1}, "--split-seed is -1"),
    ],
)
def test_a_request_that_cannot_be(rte_data, arguments, message):
    with pytest.raises(UsageError, match=message):
        select(rte_data, **arguments)


def test_few_shot_needs_labels(rte_data, real_data):
    with pytest.raises(UsageError, match=r"'stsb' has no labels.*`limits=stsb/train=N`"):
        select(real_data, few_shot=["train=5"], task=get_task("stsb"))
