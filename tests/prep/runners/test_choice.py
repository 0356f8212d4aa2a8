"""What runs the jobs of a build is chosen before the work begins."""

import functools

import pytest

from prep.errors import UsageError
from prep.runners.choice import RUNNERS, check_runner, choose_runner
from prep.runners.local import write_shards


@pytest.mark.parametrize("runner", RUNNERS)
def test_both_runners_are_known(runner):
    check_runner(runner, ())


@pytest.mark.parametrize(
    ("runner", "options", "message"),
    [
        ("bean", (), "there is no runner 'bean'; did you mean 'beam'?"),
        ("local", ("--runner=DirectRunner",), "go with"),
    ],
)
def test_what_cannot_run(runner, options, message):
    with pytest.raises(UsageError) as caught:
        check_runner(runner, options)
    assert message in str(caught.value)


def test_the_local_runner_has_so_many_processes(tmp_path):
    runner = choose_runner("local", (), tmp_path / "out", 3)
    assert isinstance(runner, functools.partial) and runner.func is write_shards
    assert runner.keywords == {"workers": 3}
