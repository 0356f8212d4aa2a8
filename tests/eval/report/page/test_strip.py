"""A score with its interval, in pixels worked out by hand."""

from eval.report.page.report_data import Score
from eval.report.page.strip import draw_strip, strip_ends


def test_a_strip_marks_score_interval_and_trivial_answer():
    score = Score(0.5, 0.25, 0.75, 0.1)
    assert strip_ends([score]) == (0, 1)
    assert strip_ends([score, Score(-0.1, None, None, None)]) == (-1, 1)
    svg = draw_strip(score, (0, 1), "a")
    # 5 pixels of edge, 110 between.
    assert 'cx="60.0"' in svg and 'd="M32.5 8.0H87.5"' in svg and 'd="M16.0 2V14"' in svg
    assert "trivial" not in draw_strip(Score(0.5, None, None, None), (0, 1), "a")
