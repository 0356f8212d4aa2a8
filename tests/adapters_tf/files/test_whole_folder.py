"""A folder is replaced whole or not at all."""

import errno
import shutil

import pytest
from safetensors import SafetensorError

from adapters_tf.files import tensors, whole_folder
from adapters_tf.files.whole_folder import replaced_folder


def write(folder, text, **more):
    with replaced_folder(folder) as partial:
        (partial / "a.txt").write_text(text)
        for name, content in more.items():
            (partial / name).write_text(content)


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_an_older_folder_gives_way_with_all_that_was_in_it(tmp_path):
    folder = tmp_path / "deep" / "adapter"
    write(folder, "one", b="gone later")
    write(folder, "two")
    assert contents(folder) == {"a.txt": "two"}
    assert [path.name for path in folder.parent.iterdir()] == ["adapter"]


def test_an_error_leaves_the_older_one(tmp_path):
    write(tmp_path / "adapter", "one")
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "adapter") as partial:
        (partial / "a.txt").write_text("half")
        raise RuntimeError
    assert contents(tmp_path / "adapter") == {"a.txt": "one"}
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_the_older_one_stays_until_the_new_one_is_on_the_disk(tmp_path, monkeypatch):
    write(tmp_path / "adapter", "one")
    synced = []

    def note(path):
        assert contents(tmp_path / "adapter") == {"a.txt": "one"} or path == tmp_path
        synced.append(path.name)

    monkeypatch.setattr(whole_folder, "_sync", note)
    write(tmp_path / "adapter", "two")
    assert synced == ["a.txt", ".adapter.partial", tmp_path.name]


def test_killed_between_the_two_renamings_the_next_call_heals(tmp_path, monkeypatch):
    write(tmp_path / "adapter", "one")
    (tmp_path / "adapter").rename(tmp_path / ".adapter.replaced")  # as a kill would leave it
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "adapter"):
        raise RuntimeError
    assert contents(tmp_path / "adapter") == {"a.txt": "one"}


def test_a_refused_renaming_puts_the_older_one_back(tmp_path, monkeypatch):
    write(tmp_path / "adapter", "one")
    rename = type(tmp_path).rename

    def refuse(path, target):
        if path.name == ".adapter.partial":
            raise OSError(5, "no", str(path))
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", refuse)
    with pytest.raises(OSError, match="no"):
        write(tmp_path / "adapter", "two")
    assert contents(tmp_path / "adapter") == {"a.txt": "one"}


@pytest.mark.slow
def test_what_a_kill_left_is_no_adapter(make_run, tmp_path):
    from adapters_tf.methods.trained.folders import find_task_folders

    run = make_run("bottleneck", {"bottleneck": {"reduction_factor": 8}})
    adapters = run / "adapters"
    shutil.copytree(adapters / "rte", adapters / ".rte.partial")
    assert list(find_task_folders((str(run),))) == ["rte"]


def test_a_symbolic_link_stays_and_leads_to_the_new_one(tmp_path):
    write(tmp_path / "real", "one")
    (tmp_path / "link").symlink_to("real")
    for text in ("two", "three"):
        write(tmp_path / "link", text)
        assert contents(tmp_path / "real") == {"a.txt": text}
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    """safetensors wraps what the system says in an error of its own."""

    def refuse(*arguments, **keywords):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        tensors.write_tensors({}, tmp_path / "a.safetensors")
    assert caught.value.errno == errno.ENOSPC and "a.safetensors" in str(caught.value)
