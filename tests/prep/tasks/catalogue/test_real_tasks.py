"""Every real task, built from its real files with the real vocabulary."""

import pytest

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.dataset.reading import read_split
from prep.dataset.verification import find_problems
from prep.tasks import get_task
from prep.tokens.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

# Rows counted in the files with another program (headers taken off).
EXPECTED = {
    "rte": {"train": 2_127, "validation": 363, "test": 277},
    "cola": {"train": 7_250, "validation": 1_301, "test": 1_043},
    "stsb": {"train": 5_749, "validation": 1_500, "test": 1_379},
    "sst2": {"train": 6_735, "validation": 872},
    "boolq": {"train": 32, "validation": 32, "test": 3_270},
    "cb": {"train": 218, "validation": 56},
    "copa": {"train": 368, "validation": 100},
    "commonsense_qa": {"train": 977, "validation": 244},
    "e_care": {"train": 1_706, "validation": 426},
    "inflection_eng": {"train": 10_000, "validation": 1_000, "test": 1_000},
    "inflection_deu": {"train": 10_000, "validation": 1_000, "test": 1_000},
    "wic": {"train": 510, "validation": 128},
    "wsc": {"train": 83, "validation": 21},
    "terra": {"train": 2_616, "validation": 307},
    "headline_cause": {"train": 225, "validation": 90, "test": 90},
    "e_care_explanation": {"train": 1_706, "validation": 426},
    "e2e_nlg": {"train": 3_441, "validation": 858},
    "causal_qa": {"train": 400, "validation": 100},
    "xquad_en": {"validation": 1_190},
    "scan_file_simple": {"train": 16_228, "validation": 500, "test": 4_182},
}
# Examples whose inputs occur in another split, counted in the files with another program.
DUPLICATES = {
    ("cola", "train"): {"validation": 4, "test": 11},
    ("cola", "validation"): {"train": 4, "test": 5},
    ("cola", "test"): {"train": 11, "validation": 5},
    ("stsb", "train"): {"validation": 6, "test": 9},
    ("stsb", "validation"): {"train": 6, "test": 2},
    ("stsb", "test"): {"train": 7, "validation": 3},
    ("e2e_nlg", "validation"): {"itself": 582},  # several texts of the same facts
}
LABELS = {
    ("rte", "train"): (1_078, 1_049),
    ("cola", "test"): (322, 721),
    ("sst2", "validation"): (428, 444),
    ("boolq", "test"): (1_237, 2_033),
    ("cb", "train"): (104, 103, 11),
    ("copa", "validation"): (55, 45),
    ("terra", "train"): (1_359, 1_257),
    ("headline_cause", "train"): (0, 16, 58, 58, 82, 5, 6),
}


@pytest.fixture(scope="module")
def dataset(real_data, tmp_path_factory):
    options = BuildOptions(
        tasks=tuple(map(get_task, EXPECTED)),
        vocabulary=real_data / "t5_vocab" / "spiece.model",
        out=tmp_path_factory.mktemp("real") / "dataset",
        data_dir=real_data,
    )
    return options.out, build_dataset(options, report=lambda line: None)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_row_becomes_an_example(dataset, name):
    task = dataset[1].task(name)
    assert {split: entry.examples for split, entry in task.splits.items()} == EXPECTED[name]
    assert all(entry.rejected == 0 for entry in task.splits.values())


@pytest.mark.parametrize(("name", "split"), LABELS)
def test_labels_are_those_of_the_files(dataset, name, split):
    assert dataset[1].task(name).split(split).label_counts == LABELS[name, split]


def test_the_folder_is_sound(dataset):
    assert list(find_problems(dataset[0])) == []


def test_only_long_passages_are_cut(dataset):
    cut = {
        (task.name, split): entry.truncated
        for task in dataset[1].tasks.values()
        for split, entry in task.splits.items()
        if entry.truncated
    }
    assert cut == {
        ("boolq", "test"): 18,
        ("terra", "train"): 28,
        ("terra", "validation"): 3,
        ("xquad_en", "validation"): 21,
    }


def test_no_inputs_are_in_two_splits_but_for_those_of_the_files(dataset):
    found = {
        (task.name, split): dict(entry.duplicates)
        for task in dataset[1].tasks.values()
        for split, entry in task.splits.items()
        if entry.duplicates
    }
    assert found == DUPLICATES


def test_only_true_schemas_are_kept_in_the_simple_wording(real_data, tmp_path):
    options = BuildOptions(
        tasks=(get_task("wsc_simple"),),
        vocabulary=real_data / "t5_vocab" / "spiece.model",
        out=tmp_path / "dataset",
        data_dir=real_data,
    )
    splits = build_dataset(options, report=lambda line: None).task("wsc_simple").splits.values()
    assert sum(split.examples for split in splits) == 38
    assert sum(split.dropped for split in splits) == 66


def test_hyperformer_words_the_real_files_with_digits(real_data, tmp_path):
    options = BuildOptions(
        tasks=tuple(map(get_task, ("rte", "commonsense_qa", "cb"))),
        vocabulary=real_data / "t5_vocab" / "spiece.model",
        out=tmp_path / "dataset",
        data_dir=real_data,
        format="hyperformer",
    )
    manifest = build_dataset(options, report=lambda line: None)
    assert manifest.format == "hyperformer"
    assert manifest.task("cb").label_words == ("0", "1", "2")
    assert manifest.task("rte").split("train").label_counts == LABELS["rte", "train"]
    vocabulary = Vocabulary(real_data / "t5_vocab" / "spiece.model")
    table = read_split(options.out, manifest, "commonsense_qa", "train")
    assert vocabulary.decode(table.input_ids(0)).startswith("question: ")
    assert " A: " in vocabulary.decode(table.input_ids(0))
    assert vocabulary.decode(table.target_ids(0)) in "01234"


def test_decoding_gives_the_file_back(dataset, real_data):
    folder, manifest = dataset
    vocabulary = Vocabulary(real_data / "t5_vocab" / "spiece.model")
    table = read_split(folder, manifest, "cola", "train")
    assert vocabulary.decode(table.input_ids(0)) == (
        "cola sentence: Our friends won't buy this analysis, let alone the next one we propose."
    )
    assert vocabulary.decode(table.target_ids(0)) == "acceptable"


def test_carved_splits_are_told_of(dataset):
    notes = {name: " ".join(dataset[1].task(name).notes) for name in ("commonsense_qa", "e_care")}
    assert (
        "train (977 rows) was carved out of commonsenseqa/dev_rand_split" in notes["commonsense_qa"]
    )
    assert "train (1,706 rows) was carved out of ecare/cr_dev.jsonl" in notes["e_care"]


def test_packed_rows_of_real_tasks_hold_next_to_no_padding(real_data, tmp_path):
    names = ("rte", "cola", "stsb", "sst2", "commonsense_qa", "e_care", "inflection_eng")
    options = BuildOptions(
        tasks=tuple(map(get_task, names)),
        vocabulary=real_data / "t5_vocab" / "spiece.model",
        out=tmp_path / "dataset",
        data_dir=real_data,
        max_input_length=512,
        pack=True,
    )
    manifest = build_dataset(options, report=lambda line: None)
    for name in names:
        entry = manifest.task(name).split("train")
        assert entry.examples == EXPECTED[name]["train"]
        assert entry.packing.input_share > 0.97, name
        assert entry.packing.unpacked_input_share < 0.75, name
    assert manifest.packing.input_share > 0.98
    assert list(find_problems(options.out)) == []
