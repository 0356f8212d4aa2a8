import csv
import io
from collections import Counter

from prep.drafting.sample import COLUMNS, ROWS, sample_tickets


def test_the_tickets_are_always_the_same_and_balanced():
    text = sample_tickets()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text == sample_tickets() and len(rows) == ROWS
    assert tuple(rows[0]) == COLUMNS
    for column in ("category", "urgency"):
        counts = Counter(row[column] for row in rows)
        assert len(counts) == 3 and min(counts.values()) > ROWS / 6
    assert len({row["message"] for row in rows}) > 0.9 * ROWS
    assert all(row["message"].strip() and row["summary"].strip() for row in rows)
