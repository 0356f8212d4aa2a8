"""What scoring a run finds beside the figures; the whole of it is in test_commands.py."""

from types import SimpleNamespace

import numpy as np

from adapters_tf.files.embeddings_file import save_embeddings
from eval.scoring import find_similarity


def settings(nearest_by="", **methods):
    return SimpleNamespace(adapters=SimpleNamespace(nearest_by=nearest_by, settings=methods))


def test_tasks_are_shown_to_be_alike_where_the_settings_name_a_file(tmp_path):
    file = tmp_path / "tasks.npz"
    save_embeddings(file, ["rte", "cb"], np.array([[1.0, 0], [1, 1]], np.float32))
    tasks = ["cb", "rte", "new"]
    for found in (
        settings(str(file)),
        settings(hyperformer={"task_embeddings": str(file)}, lora={"rank": 4}),
    ):
        assert find_similarity(found, tasks).columns == ("cb", "rte")
    assert find_similarity(settings(str(file)), ["rte", "new"]) is None
    assert find_similarity(settings(hyperformer={"task_embeddings": "learned"}), tasks) is None
    assert find_similarity(settings(str(tmp_path / "gone.npz")), tasks) is None
