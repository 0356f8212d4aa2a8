import pytest

from prep import UsageError
from trainer.preflight.topologies import FRIENDLY, find_topology


def test_friendly_names_and_raw_ones_are_the_same():
    assert find_topology("v5e-8") == find_topology("v5e:2x4") == find_topology("V5E-8")


@pytest.mark.parametrize(
    ("name", "raw", "replicas", "memory"),
    [
        ("v5e-1", "v5e:1x1", 1, 15.75),
        ("v5e-8", "v5e:2x4", 8, 15.75),
        ("v6e-1", "v6e:1x1", 1, 31.25),
        ("v3-8", "v3:2x2", 8, 15.48),
        ("v4-8", "v4:2x2x1", 4, 30.75),
        ("v5p-8", "v5p:2x2x1", 4, 95.74),
    ],
)
def test_what_a_name_stands_for(name, raw, replicas, memory):
    found = find_topology(name)
    assert (found.name, found.replicas, found.device.memory) == (raw, replicas, memory)


def test_one_chip_is_told_by_its_hosts_bounds():
    assert find_topology("v6e-1").host_bounds == (1, 1, 1)
    assert all(not find_topology(name).host_bounds for name in FRIENDLY if "-1" not in name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("v5e-16", "did you mean 'v5e-1'?"),
        ("v9:2x2", "unknown"),
        ("v5e", "unknown"),
        ("v4:2x2", "expected 3 sizes, as in v4:2x2x2"),
        ("v5e:3x1", "expected one chip, or even sizes"),
    ],
)
def test_mistakes_are_told_with_what_would_do(name, said):
    with pytest.raises(UsageError, match=name) as caught:
        find_topology(name)
    assert said in str(caught.value)
