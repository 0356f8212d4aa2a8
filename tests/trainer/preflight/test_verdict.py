import dataclasses
import json

import pytest

from trainer.preflight.compiler import Compilation, Memory
from trainer.preflight.printing import WIDTH, columns, describe_comparison, describe_verdict, wrap
from trainer.preflight.program import CompiledStep, Part
from trainer.preflight.topologies import GIB, find_topology
from trainer.preflight.verdict import Workload, reach_verdict, shorten

VERSIONS = {"libtpu": "0.0.14"}
WORK = Workload("train step", "bottleneck", 8, 512, 64, 700 * 10**9, 1.0, 200.0)
LONG = "gradient_tape/task_model/encoder/block_._0/layer_._0/SelfAttention/SelfAttention/truediv_2"
STEP = CompiledStep(
    cycles=24 * 10**6,  # 16 ms on a v5e
    hbm_bytes=4_095_000_000,  # 5 ms
    kernels=5028,
    loops=(Part("while", "dropout/while", "(s32[])", 262144), Part("while", "short", "", 8)),
    sorts=(Part("sort", "AddN", "s32[4608]", 4608),),
    scatters=(Part("scatter", "few", "f32[8]", 8), Part("scatter", "many", "f32[9]", 4608)),
    conditionals=0,
    moves=(Part("fusion", LONG, "f32[1]", 0, 10**6),),
    collectives=(Part("all-reduce", "XlaAllReduce", "f32[4]", 2**20),),
    largest=(Part("fusion", LONG, "(f32[32128,512], f32[32128,512])", GIB),),
)


def judge(temp=0.7, step=STEP, topology="v5e-8", **more):
    memory = Memory(GIB, GIB, GIB, int(temp * GIB)) if temp else None
    answer = Compilation(VERSIONS, 9.0, memory, 756e9 if temp else 0.0, step, **more)
    return reach_verdict(WORK, answer, find_topology(topology))


@pytest.mark.parametrize(
    ("temp", "verdict"), [(0.7, "fits"), (13.0, "borderline"), (15.0, "does not fit")]
)
def test_a_step_that_compiled_is_judged_by_its_memory(temp, verdict):
    found = judge(temp)
    assert found.verdict == verdict
    assert found.needed == int((1 + temp) * GIB)


def test_speeds_are_of_all_replicas_and_a_range():
    speed = judge().speed
    assert speed.estimated == pytest.approx(16.0)
    assert speed.traffic == pytest.approx(5.0)
    assert speed.arithmetic == pytest.approx(756 / 197)
    assert speed.exchange == pytest.approx(1e3 * 2 * 2**20 * 7 / 8 / 50e9)
    best, worst = 16 + speed.exchange / 2, 24 + speed.exchange
    assert (speed.best, speed.worst) == pytest.approx((best, worst))
    assert speed.roofline == pytest.approx(5 / best)
    assert speed.examples == pytest.approx((64e3 / worst, 64e3 / best))
    assert speed.tokens == pytest.approx((200 * 64e3 / worst, 200 * 64e3 / best))


def test_one_replica_exchanges_nothing():
    assert judge(topology="v5e-1").speed.exchange == 0


def test_what_is_slow_is_told_and_what_is_small_is_not():
    assert judge().warnings == (
        "a loop of 262,144 turns: dropout/while",
        "a sort of 4,608 numbers: AddN",
        "a scatter of 4,608 updates: many",
        "layout copies, in 1 of 5,028 kernels, take 4% of the time; "
        "the dearest: …/SelfAttention/SelfAttention/truediv_2",
    )


def test_a_refused_step_is_told_with_its_buffers():
    buffers = (Part("buffer", LONG, "u32[2048,4,512,512]", 8 * GIB),)
    found = judge(None, None, needed=int(24.15 * GIB), buffers=buffers)
    text = "\n".join(describe_verdict(found))
    assert text.startswith("train step: does not fit, at least 24.15 GiB of 15.75 GiB")
    assert "8.00 GiB u32[2048,4,512,512]" in text
    assert found.speed is None


def test_what_cannot_be_compiled_is_told_in_the_compilers_words():
    found = judge(None, None, refusal="UNIMPLEMENTED: dynamic shapes")
    assert found.verdict == "cannot be compiled"
    assert "UNIMPLEMENTED: dynamic shapes" in "\n".join(describe_verdict(found))


def test_a_verdict_is_read_in_80_columns():
    lines = describe_verdict(judge())
    assert max(map(len, lines)) <= WIDTH
    text = "\n".join(lines)
    assert text.startswith("train step: fits, 1.70 GiB of 15.75 GiB")
    assert "64 rows, 8 a replica; 512 input and 64 target tokens" in text
    assert "756.0 G a replica, 1.08 of the model's 700.0" in text
    assert "4.09 GB of HBM, 5,028 kernels" in text
    assert "2,700 to 4,000 examples/s, 530,000 to 800,000 real tokens/s" in text
    assert "f32[32128,512] and 1 more" in text
    assert "exchange  1.00 MiB in 1 sum over replicas; 0.0184 to 0.0367 ms" in text


def test_methods_are_compared_in_one_table():
    refused = judge(None, None, needed=20 * GIB)
    lines = describe_comparison([judge(), refused])
    assert len(lines) == 3 and max(map(len, lines)) <= WIDTH
    assert lines[1].split()[0] == "bottleneck" and lines[1].endswith("  fits")
    assert lines[2].split()[1:] == ["20.00", "does", "not", "fit"]
    assert lines[1].index("fits") == lines[2].index("does")


def test_nothing_is_wider_than_the_terminal(monkeypatch):
    refused = judge(None, None, needed=20 * GIB)
    for width in (44, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        assert columns() == width
        lines = (
            describe_verdict(judge()) + describe_comparison([judge(), refused]) + wrap("word " * 30)
        )
        assert max(map(len, lines)) <= width
    monkeypatch.setenv("COLUMNS", "200")
    assert columns() == WIDTH


def test_a_table_that_would_be_too_wide_is_told_in_words(monkeypatch):
    """By a narrow terminal, or by the names of several methods."""
    monkeypatch.setenv("COLUMNS", "44")
    assert describe_comparison([judge()]) == [
        "bottleneck: 1.70 GiB, temp 0.70, 756.0",
        "  GFLOP, 4.09 GB, 16 ms: fits",
    ]
    monkeypatch.setenv("COLUMNS", "80")
    several = dataclasses.replace(judge(), method="hyperformer++,prefix_flat,layer_norm")
    lines = describe_comparison([judge(), several])
    assert lines[1].startswith("hyperformer++,prefix_flat,layer_norm: 1.70 GiB")
    assert max(map(len, lines)) <= WIDTH


def test_it_is_written_as_json():
    tree = json.loads(json.dumps(judge().as_dict()))
    assert tree["compilation"]["memory"]["temp"] == int(0.7 * GIB)
    assert tree["compilation"]["step"]["sorts"][0]["count"] == 4608
    assert tree["speed"]["estimated"] == pytest.approx(16.0)


def test_names_keep_their_ends():
    assert shorten("gradient_tape/AddN") == "AddN"
    assert shorten(LONG) == "…/SelfAttention/SelfAttention/truediv_2"
