"""Tasks whose files are not at hand, from small files written in exactly their format."""

import itertools

import pyarrow
import pytest
from pyarrow import parquet

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.dataset.reading import read_split
from prep.inspection.survey import survey_dataset
from prep.inspection.text import describe_dataset
from prep.sources.blocks import parse_block
from prep.splits.finding import plan_task
from prep.tasks import get_task
from prep.tasks.examples import row_to_examples
from prep.tasks.wordings import worded_as
from tests.prep.tasks.catalogue.task_files import CASES


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def examples(task, folder, split=-1):
    """The texts of one split of a task, as the build words them."""
    plan = plan_task(task, folder, 8).splits[split]
    make = row_to_examples(task, plan.split)
    for block in plan.open_blocks():
        for row in parse_block(block):
            yield from (tuple(example)[:2] for example in make(row))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[1]])
def test_a_row_is_worded_as_in_either_publication(name, tmp_path):
    files, t5, hyperformer = CASES[name]
    write(tmp_path, files)
    task = get_task(name)
    assert next(examples(task, tmp_path)) == t5
    assert next(examples(worded_as(task, "hyperformer"), tmp_path)) == hyperformer


def test_every_task_can_be_built_from_its_files(tmp_path, small_vocabulary):
    for files, _, _ in CASES.values():
        write(tmp_path / "data", files)
    chosen = BuildOptions(
        tasks=tuple(map(get_task, CASES)),
        vocabulary=small_vocabulary,
        out=tmp_path / "out",
        data_dir=tmp_path / "data",
    )
    manifest = build_dataset(chosen, report=lambda line: None)
    counts = {
        name: [split.examples for split in task.splits.values()]
        for name, task in manifest.tasks.items()
    }
    rejected = {
        name: split.rejected_reasons
        for name, task in manifest.tasks.items()
        for split in task.splits.values()
        if split.rejected
    }
    assert not rejected
    assert counts["squad_v2"] == [2, 2]
    assert counts["multirc"] == [2, 2]
    assert counts["causal_qa"] == [2, 1]  # in training, one of each gold answer
    assert counts["snli"] == [1, 1, 1]
    assert counts["xnli_ru"] == [1, 1, 1]
    assert counts["ru_twitter"] == [16, 2]
    assert manifest.task("ru_twitter").sources[1].file == "ru_twitter/negative.csv"
    labels = [split.label_counts for split in manifest.task("ru_twitter").splits.values()]
    assert tuple(map(sum, zip(*labels, strict=True))) == (9, 9)
    assert manifest.task("snli").split("train").dropped == 1
    assert manifest.task("causal_qa").split("train").expanded == 1
    assert any(
        "rows with several examples add 1" in line
        for line in describe_dataset(survey_dataset(chosen.out))
    )


def test_reviews_may_be_files_of_their_own(tmp_path, small_vocabulary):
    reviews = {
        f"data/aclImdb/{split}/{label}/{number}_{label}.txt": f"{label} {number}\n"
        for split in ("train", "test")
        for label in ("neg", "pos")
        for number in range(12)
    }
    broken = {"data/aclImdb/test/pos/9_pos.txt": b"\xff\n", "data/aclImdb/train/README": "no row"}
    write(tmp_path, reviews | broken)
    options = BuildOptions(
        tasks=(get_task("imdb"),),
        vocabulary=small_vocabulary,
        out=tmp_path / "out",
        data_dir=tmp_path / "data",
    )
    entry = build_dataset(options, report=lambda line: None).task("imdb")
    assert {name: split.examples for name, split in entry.splits.items()} == {
        "train": 23,
        "validation": 1,
        "test": 23,
    }
    assert entry.split("test").rejected_reasons == {"invalid UTF-8": 1}
    assert entry.split("test").label_counts == (12, 11)
    rows = examples(get_task("imdb"), tmp_path / "data", 2)
    made = [text for text, _ in itertools.islice(rows, 11)]
    assert made[2] == "imdb text: neg 2\n" and made[10] == "imdb text: neg 10\n"
    assert {source.rows for source in entry.sources} == {12}


def test_evaluation_splits_keep_every_right_answer_and_what_belongs_together(
    tmp_path, small_vocabulary
):
    names = ("causal_qa", "squad_v2", "record", "multirc")
    for name in names:
        write(tmp_path / "data", CASES[name][0])
    chosen = BuildOptions(
        tasks=tuple(map(get_task, names)),
        vocabulary=small_vocabulary,
        out=tmp_path / "out",
        data_dir=tmp_path / "data",
    )
    manifest = build_dataset(chosen, report=lambda line: None)

    def table(name, split="validation"):
        return read_split(chosen.out, manifest, name, split)

    assert table("causal_qa").references == (("rain", "storm"),)
    assert table("causal_qa", "train").references is None
    assert ("unanswerable",) in table("squad_v2").references
    assert manifest.task("squad_v2").no_answer == "unanswerable"
    assert all(len(answers) >= 1 for answers in table("record").references)
    groups = table("multirc").groups
    assert table("multirc").references is None and table("causal_qa").groups is None
    assert groups.min() >= 0 and len(set(groups.tolist())) == 1  # two answers to one question
    for name in ("multirc", "record", "squad_v2"):  # one passage
        assert len(set(table(name).documents.tolist())) == 1, name
    assert table("causal_qa").documents is None
    assert table("multirc").head(1).groups.tolist() == groups[:1].tolist()
    assert table("causal_qa").head(1).references == (("rain", "storm"),)


def test_translations_are_read_from_parquet(tmp_path):
    folder = tmp_path / "wmt16_ro_en"
    folder.mkdir()
    table = pyarrow.table(
        {"translation": [{"ro": f"Da {i}.", "en": f"Yes {i}."} for i in range(9)]}
    )
    for split in ("train", "validation", "test"):
        parquet.write_table(table, folder / f"{split}.parquet", row_group_size=4)
    found = list(examples(get_task("wmt16_ro_en"), tmp_path))
    assert found[8] == ("translate Romanian to English: Da 8.", "Yes 8.")
    assert len(found) == 9
