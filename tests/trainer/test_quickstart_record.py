"""A quickstart's folder is of the files, options and task file that it was begun with."""

import pytest

from prep import DataError, UsageError
from trainer.quickstart_record import describe_call, refuse_other, write_record


@pytest.fixture
def begun(tmp_path):
    """A folder that is built, of one file, and a function that asks for it again."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("one", "other"):
        (tmp_path / f"{name}.csv").write_text(f"text,mood\n{name},good\n")
    (folder / "tasks.yaml").write_text("- name: one\n")

    def ask(name="one", **options):
        return describe_call({"train": tmp_path / f"{name}.csv"}, options)

    write_record(folder, ask(answer="mood"))
    (folder / "data").mkdir()
    return folder, ask


def test_the_same_is_taken_wherever_the_file_lies_now(begun, tmp_path):
    folder, ask = begun
    refuse_other(folder, ask(answer="mood", inputs=None))
    (tmp_path / "moved.csv").write_bytes((tmp_path / "one.csv").read_bytes())
    refuse_other(folder, ask("moved", answer="mood"))


def test_what_is_another_is_refused(begun, tmp_path):
    folder, ask = begun
    other = r"of .*one.csv, not of .*other.csv; choose another folder with --run \(make: RUN=\)"
    with pytest.raises(UsageError, match=other):
        refuse_other(folder, ask("other", answer="mood"))
    with pytest.raises(UsageError, match="was begun with --answer mood, now none"):
        refuse_other(folder, ask())
    (folder / "tasks.yaml").write_text("- name: mine\n")
    with pytest.raises(UsageError, match=r"tasks\.yaml was changed after"):
        refuse_other(folder, ask(answer="mood"))
    (tmp_path / "one.csv").write_text("text,mood\none,bad\n")
    with pytest.raises(UsageError, match=r"one.csv as it was before it was changed; .* remove"):
        refuse_other(folder, ask(answer="mood"))


def test_a_folder_without_a_record_is_taken_until_something_is_built(begun):
    folder, ask = begun
    (folder / "quickstart.json").write_text("[]")
    with pytest.raises(DataError, match="cannot be read"):
        refuse_other(folder, ask(answer="mood"))
    (folder / "quickstart.json").unlink()
    with pytest.raises(UsageError, match="does not say of which file"):
        refuse_other(folder, ask(answer="mood"))
    (folder / "data").rmdir()
    refuse_other(folder, ask("other"))  # with a task file of one's own


def test_a_file_must_be_there(tmp_path):
    with pytest.raises(UsageError, match=r"there is no file .*nothing.csv"):
        describe_call({"train": tmp_path / "nothing.csv"}, {})
