import pytest

from prep import UsageError
from trainer.preflight.topologies import DEVICES, FRIENDLY, find_topology


def test_friendly_names_and_raw_ones_are_the_same():
    assert find_topology("v5e-8") == find_topology("v5e:2x4") == find_topology("V5E-8")


@pytest.mark.parametrize(
    ("name", "raw", "replicas", "memory"),
    [
        ("v5e-1", "v5e:1x1", 1, 15.75),
        ("v5e-8", "v5e:2x4", 8, 15.75),
        ("v6e-1", "v6e:1x1", 1, 31.25),
        ("v5litepod-8", "v5e:2x4", 8, 15.75),
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
        ("v5e-16", "are v5e-1, v5e-4, v5e-8; larger ones, which a run cannot"),
        ("v5litepod-16", "are named as in v5e:4x4"),
        ("v5p-16", "there is v5p-8; larger"),
        ("v9:2x2", "unknown"),
        ("v5e", "of one host there are v5e-1, v5e-4, v5e-8"),
        ("v5e-3", "of one host there are v5e-1, v5e-4, v5e-8"),
        ("v5e:0x2", "has no chips"),
        ("v4:2x2", "expected 3 sizes, as in v4:2x2x2"),
        ("v5e:3x1", "expected one chip, or even sizes"),
    ],
)
def test_mistakes_are_told_with_what_would_do(name, said):
    with pytest.raises(UsageError, match=name) as caught:
        find_topology(name)
    assert said in str(caught.value)


# Of a replica: multipliers, and rows of each, as Google Cloud's pages have them; of v6e the version
# that counts four.
MULTIPLIERS = {
    "v2": (1, 128),
    "v3": (2, 128),
    "v4": (8, 128),
    "v5e": (4, 128),
    "v5p": (8, 128),
    "v6e": (4, 256),
}


@pytest.mark.parametrize("generation", DEVICES)
def test_a_clock_is_the_peak_over_the_multipliers(generation):
    count, rows = MULTIPLIERS[generation]
    device = DEVICES[generation]
    assert 2 * count * rows**2 * device.clock == pytest.approx(device.peak, rel=0.02)


@pytest.mark.parametrize(("generation", "both_ways"), [("v5e", 400), ("v5p", 1200), ("v6e", 800)])
def test_a_link_is_its_share_of_what_a_chip_exchanges(generation, both_ways):
    """The pages' "bidirectional inter-chip interconnect bandwidth per chip", in GB/s."""
    device = DEVICES[generation]
    assert 2 * 2 * device.axes * device.link == both_ways * 1e9
