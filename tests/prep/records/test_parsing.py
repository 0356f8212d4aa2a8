"""Records → flat columns."""

import numpy as np

from prep.records.encoder import RecordEncoder
from prep.records.parsing import parse_records


def test_references_groups_and_documents_are_parsed_where_they_are_wanted():
    encoder = RecordEncoder(100)
    answers = [encoder.answer(-1, [5, 1], ["red", "rot"]), encoder.answer(-1, [6, 1])]
    records = list(encoder.messages([0, 1], [[7, 1], [8, 9, 1]], answers, [3, 3], [4, 5]))
    (columns,) = parse_records(records, "shard", np.uint16, False)
    assert columns["references"].tolist() == [b"red", b"rot"]
    assert columns["reference_counts"].tolist() == [2, 0]
    assert columns["groups"].tolist() == [3, 3] and columns["documents"].tolist() == [4, 5]
    (fewer,) = parse_records(records, "shard", np.uint16, False, has_answers=False)
    wanted = {"references", "reference_counts", "groups", "documents"}
    assert columns.keys() - fewer.keys() == wanted
    for name, column in fewer.items():
        np.testing.assert_array_equal(column, columns[name])
