"""What several tests of prep need: a small vocabulary, a small task read from files, real files."""

import json
from pathlib import Path

import pytest

from prep.build import BuildOptions, build_dataset
from prep.tasks import get_task
from prep.vocabulary_training import train_vocabulary

REAL_DATA = Path(__file__).parents[2].parent / "shared" / "data"
SENTENCES = ("a man plays a flute", "the cat sat on the mat", "rte sentence1: sentence2: x y z")


@pytest.fixture(scope="session")
def real_data():
    if not REAL_DATA.is_dir():
        pytest.skip(f"../shared/data is absent: {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="session")
def small_vocabulary(tmp_path_factory):
    """The path of a SentencePiece model of about a hundred pieces."""
    path = tmp_path_factory.mktemp("vocabulary") / "small.model"
    train_vocabulary(SENTENCES * 10, path, 120, ["entailment", "not_entailment"])
    return path


def write_rte(folder, rows=30):
    """Writes the three files of RTE as the real ones are: val.tsv has no header."""
    folder.mkdir(parents=True)
    labels = ("entailment", "not_entailment")
    lines = [f"{i}\ta man {i}\tthe cat {i}\t{labels[i % 2]}\n" for i in range(rows)]
    header = "index\tsentence1\tsentence2\tlabel\n"
    (folder / "train.tsv").write_text(header + "".join(lines))
    (folder / "val.tsv").write_text("".join(lines[:5]))
    (folder / "dev.tsv").write_text(header + "".join(lines[5:9]))


@pytest.fixture
def rte_data(tmp_path):
    """A data folder with a small RTE in it."""
    write_rte(tmp_path / "data" / "rte")
    return tmp_path / "data"


@pytest.fixture
def rte_options(tmp_path, rte_data, small_vocabulary):
    """Makes build options for the small RTE, with changes by keyword."""

    def make(**changes):
        options = {
            "tasks": (get_task("rte"),),
            "vocabulary": small_vocabulary,
            "out": tmp_path / "dataset",
            "data_dir": rte_data,
            "shard_records": 8,
        }
        return BuildOptions(**(options | changes))

    return make


@pytest.fixture
def rte_dataset(rte_options):
    """A built dataset folder of the small RTE, with its manifest."""
    options = rte_options()
    return options.out, build_dataset(options, report=lambda line: None)


@pytest.fixture
def write_jsonl():
    def write(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write
