"""A setting of another type is told in words; a text is never taken for a truth value."""

import pytest

from adapters_tf import ConfigurationError, read_methods


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        ("lora", {"rank": "two"}, "lora rank is 'two', expected a whole number"),
        ("lora", {"rank": True}, "lora rank is True, expected a whole number"),
        ("lora", {"rank": 2.5}, "lora rank is 2.5, expected a whole number"),
        ("lora", {"rank_stabilised": "no"}, "rank_stabilised is 'no', expected true or false"),
        ("dora", {"dora": "false"}, "dora dora is 'false', expected true or false"),
        ("lora", {"targets": "q"}, "lora targets is 'q', expected a list of texts"),
        ("bottleneck", {"leave_out": [1, "two"]}, "expected a list of whole numbers"),
        ("parallel", {"scaling": [4]}, r"scaling is \[4\], expected a number or a text"),
        ("bottleneck", {"reduction_factors": 8}, "is 8, expected keys and values"),
        ("fusion", {"dropout": "0.1"}, "fusion dropout is '0.1', expected a number$"),
    ],
)
def test_a_methods_setting_of_another_type(method, settings, said):
    with pytest.raises(ConfigurationError, match=said):
        read_methods(method, {method: settings})


def test_whole_numbers_are_numbers_and_lists_are_lists():
    [lora] = read_methods("lora", {"lora": {"alpha": 16, "dropout": 0, "targets": ["q"]}})
    assert (lora.alpha, lora.targets) == (16, ("q",))
    [fusion] = read_methods("fusion", {"fusion": {"of": ["a", "b"], "dropout": None}})
    assert fusion.of == ("a", "b")
    [bottleneck] = read_methods("bottleneck", {"bottleneck": {"reduction_factors": {0: 8}}})
    assert bottleneck.reduction_factors == {0: 8}
