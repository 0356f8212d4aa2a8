"""Numbers that tell texts, groups and programs apart."""

import numpy as np
import pytest

from prep.shards import fingerprints
from prep.shards.fingerprints import code_digest, fingerprint_group, fingerprint_texts


def test_equal_texts_meet_and_others_do_not():
    texts = [f"text {number}" for number in range(10_000)]
    values = fingerprint_texts(texts)
    assert values.dtype == np.uint64 and len(set(values.tolist())) == 10_000
    np.testing.assert_array_equal(fingerprint_texts(reversed(texts)), values[::-1])


def test_both_checksums_count():
    """Two texts with the same first half of a fingerprint would meet by one checksum alone."""
    upper, lower = (fingerprint_texts(["a", "b"]) >> np.uint64(shift) for shift in (32, 0))
    assert upper[0] != upper[1] and (lower[0] ^ lower[1]) & np.uint64(0xFFFFFFFF)


def test_texts_that_utf_8_cannot_say_have_a_fingerprint():
    (broken,) = fingerprint_texts(["\ud800"])
    assert broken not in fingerprint_texts(["", "?", "�"])
    assert fingerprint_group("\ud800") != fingerprint_group("?")


@pytest.mark.parametrize("group", ["", "a", "passage 17, question 3", "вопрос"])
def test_groups_fit_into_a_signed_integer(group):
    assert 0 <= fingerprint_group(group) < 2**63
    assert fingerprint_group(group) == fingerprint_group(str(group))
    assert fingerprint_group(group) != fingerprint_group(group + " ")


def test_the_code_of_all_rooms_counts(monkeypatch, tmp_path):
    """An unfinished build is gone on with by the same program only."""
    for name in ("a/one.py", "b/deep/two.py", "b/text.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path)
    before = code_digest([])
    (tmp_path / "b" / "text.html").write_text("changed")
    assert code_digest([]) == before
    (tmp_path / "b" / "deep" / "two.py").write_text("x = 2\n")
    after = code_digest([])
    assert after != before
    module = tmp_path / "outside.txt"
    module.write_text("TASKS = []\n")
    assert code_digest([module]) not in (before, after)


def test_the_package_is_all_of_prep():
    assert (fingerprints.PACKAGE / "commands" / "build.py").is_file()


def test_a_module_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        code_digest([tmp_path / "mine.py"])
