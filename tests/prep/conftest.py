"""What several tests of prep need: a small vocabulary, a small task read from files, real files."""

import itertools
import json
import string
import warnings
from pathlib import Path

import pytest

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.build.vocabulary_training import train_vocabulary
from prep.tasks import get_task
from tests.gcs_emulator.server import Emulator

with warnings.catch_warnings():
    # Google's client tells when it will leave this Python behind, and what else to install.
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", ImportWarning)
    from prep.storage import bucket as prep_bucket

REAL_DATA = Path(__file__).parents[2].parent / "shared" / "data"
LETTERS = "0 1 2 3 4 5 6 7 8 9 абвгдежзийклмнопрстуфхцчшщъыьэюя АБВГДЕЖ , . - / ( ) '"
SENTENCES = ("a man plays a flute", "the cat sat on the mat", "rte sentence1: sentence2: x y z")


@pytest.fixture(scope="session")
def real_data():
    if not REAL_DATA.is_dir():
        pytest.skip(f"../shared/data is absent: {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="session")
def small_vocabulary(tmp_path_factory):
    """The path of a SentencePiece model of some 200 pieces, with all letters of label words."""
    path = tmp_path_factory.mktemp("vocabulary") / "small.model"
    texts = (*SENTENCES, string.ascii_letters, LETTERS) * 10
    train_vocabulary(texts, path, 240, ["entailment", "not_entailment"])
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
    return options.out, build_dataset(options)


@pytest.fixture(scope="session")
def contents():
    """Reads every file of a folder: bytes by path below it."""

    def read(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    return read


@pytest.fixture
def write_jsonl():
    def write(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """The emulated Cloud Storage, shared by all tests of a process."""
    with Emulator(tmp_path_factory.mktemp("gcs")).serving() as emulator:
        yield emulator


_bucket_numbers = itertools.count(1)


@pytest.fixture
def bucket(emulator, monkeypatch, tmp_path):
    """The address of an empty bucket of the emulator, which both clients will find.

    Each test has a bucket of another name, since TensorFlow remembers sizes for seconds.
    """
    emulator.clear()
    name = f"bucket-{next(_bucket_numbers)}"
    emulator.store.create_bucket(name)
    for variable in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud-settings"))
    for variable, value in (emulator.client_settings() | emulator.tensorflow_settings()).items():
        monkeypatch.setenv(variable, value)
    # The same retries as in use, only sooner.
    quick = prep_bucket.RETRY.with_delay(initial=0.01, maximum=0.05).with_timeout(5.0)
    monkeypatch.setattr(prep_bucket, "RETRY", quick)
    yield f"gs://{name}"
    emulator.faults.clear()
