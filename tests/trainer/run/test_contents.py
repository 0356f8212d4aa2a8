"""Where everything is, at the end of a run."""

from adapters_tf.files.bucket_runs import is_of_run
from trainer.run.contents import _WHAT, describe_contents


def test_it_names_what_is_there_and_nothing_else(tmp_path):
    (tmp_path / "adapters" / "rte").mkdir(parents=True)
    (tmp_path / "metrics.jsonl").touch()
    assert describe_contents(tmp_path) == [
        "  adapters/      each task's adapter",
        "  metrics.jsonl  losses and metrics in numbers",
        f"  next: python -m eval --run {tmp_path}",
    ]


def test_an_empty_folder_has_the_command_alone(tmp_path):
    assert describe_contents(tmp_path) == [f"  next: python -m eval --run {tmp_path}"]


def test_all_of_it_goes_to_a_bucket_too():
    assert all(is_of_run(f"{name}/file") for name in _WHAT)
