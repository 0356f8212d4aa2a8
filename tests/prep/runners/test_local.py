"""Jobs in, results out in the same order, in this process or in others."""

import dataclasses
from pathlib import Path

import pytest

from prep.build.writing import task_jobs
from prep.errors import DataError
from prep.runners.local import write_shards
from prep.shards.jobs import EncodingSettings, ShardResult
from prep.sources.file_ranges import FileRange
from prep.splits.finding import plan_task
from prep.tasks import get_task


@pytest.fixture
def settings(small_vocabulary):
    return EncodingSettings(str(small_vocabulary), max_input_length=64, max_target_length=16)


@pytest.fixture
def jobs(rte_data, tmp_path):
    """The shards of the small RTE: eight rows each, so four of training and two others."""
    (tmp_path / "out").mkdir()
    return list(task_jobs(tmp_path / "out", plan_task(get_task("rte"), rte_data, 8)))


def failing(job):
    """The same job of a task whose file is gone when it is read."""
    gone = dataclasses.replace(job.block, payload=FileRange(Path("gone.tsv"), 0, 1))
    return dataclasses.replace(job, task=dataclasses.replace(job.task, name="bad"), block=gone)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_come_in_the_order_of_the_jobs(jobs, settings, workers):
    done = list(write_shards(iter(jobs), settings, workers))
    assert [job.path for job, _ in done] == [job.path for job in jobs]
    assert all(isinstance(result, ShardResult) for _, result in done)
    assert [result.rows for _, result in done] == [8, 8, 8, 6, 5, 4]
    assert all(job.path.stat().st_size == result.bytes for job, result in done)


def test_a_task_that_fails_does_not_end_the_work(jobs, settings):
    mixed = [jobs[0], failing(jobs[1]), jobs[2]]
    results = [result for _, result in write_shards(iter(mixed), settings, 1)]
    assert isinstance(results[1], DataError) and "gone.tsv" in str(results[1])
    assert [result.rows for result in results[::2]] == [8, 8]


def test_jobs_are_drawn_as_they_are_done(jobs, settings):
    """A build's jobs hold rows in memory; they must not all be there at once."""
    drawn = []

    def draw():
        for job in jobs:
            drawn.append(job)
            yield job

    done = write_shards(draw(), settings, 1)
    next(done)
    assert len(drawn) < len(jobs)
    done.close()
    assert len(drawn) < len(jobs)


def test_what_reading_raises_comes_after_what_was_done(jobs, settings):
    def draw():
        yield from jobs[:2]
        raise OSError("the disk is gone")

    results = []
    with pytest.raises(OSError, match="the disk is gone"):
        for _, result in write_shards(draw(), settings, 1):
            results.append(result)
    assert len(results) == 2


def test_no_job_is_no_result(settings):
    assert list(write_shards(iter([]), settings, 1)) == []
