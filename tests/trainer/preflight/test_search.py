import pytest

from trainer.preflight.search import LARGEST, batch_sizes, find_largest


@pytest.mark.parametrize("room", [0.5, 1, 2, 5, 37, 100, 1000, 1e6])
@pytest.mark.parametrize("first", [1, 8, 500])
@pytest.mark.parametrize("fixed", [0.0, 0.3])
def test_it_finds_the_largest_size_there_is_room_for(room, first, fixed):
    tried = []

    def fits(rows):
        tried.append(rows)
        share = fixed + (1 - fixed) * rows / room
        return share <= 1, share

    largest = find_largest(fits, first)
    assert largest == max([size for size in batch_sizes() if size <= room], default=0)
    assert len(tried) == len(set(tried)) <= 6


def test_sizes_are_powers_of_two_and_what_lies_between():
    assert batch_sizes()[:8] == [1, 2, 3, 4, 6, 8, 12, 16]
    assert batch_sizes()[-1] == LARGEST


def test_shares_that_mislead_cost_compilations_and_not_the_answer():
    assert find_largest(lambda rows: (rows <= 48, 0.9), 8) == 48
    assert find_largest(lambda rows: (rows <= 48, 1e-9), 8) == 48
