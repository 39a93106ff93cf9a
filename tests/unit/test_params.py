"""The parameter table and the values that it accepts."""

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_models.params import PARAMS, Param, Params, Stage


def test_defaults_are_the_tables() -> None:
    """Params without arguments hold the table's defaults, in one place and no other."""
    params = Params()
    assert {p.name: getattr(params, p.name) for p in PARAMS} == {p.name: p.default for p in PARAMS}


@pytest.mark.parametrize("param", PARAMS, ids=lambda param: param.name)
def test_every_row_is_complete(param: Param) -> None:
    """Each row has a label and a sentence, a float has bounds around its default, a choice has its default."""
    assert param.label[0].isupper()
    assert param.tooltip.endswith(".")
    assert isinstance(param.stage, Stage)
    assert param.parse(param.default) == param.default
    if param.kind == "float":
        assert param.low is not None
        assert param.high is not None
        assert param.low < param.high


def test_text_becomes_values() -> None:
    """The command line's words become numbers, switches and choices."""
    params = Params.parse({"despill": "0.25", "despeckle": "on", "screen": "blue", "matte_grow": -3})
    assert (params.despill, params.despeckle, params.screen, params.matte_grow) == (0.25, True, "blue", -3.0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"despill": 1.5}, "despill is 1.5; give a number from 0 to 1"),
        ({"despill": float("nan")}, "give a number from 0 to 1"),
        ({"despill": 10**400}, "give a number from 0 to 1"),
        ({"despill": "much"}, "give a number from 0 to 1"),
        ({"despill": True}, "give a number from 0 to 1"),
        ({"screen": "red"}, "choose one of green, blue"),
        ({"despeckle": "maybe"}, "give on or off"),
        ({"spill": 1}, "unknown parameter 'spill'"),
        ({"matte_black": 0.6, "matte_white": 0.4}, "raise matte_white or lower matte_black"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(values: dict[str, object], sentence: str) -> None:
    """A value outside its range is refused and never clipped, and the sentence says what to give."""
    with pytest.raises(InputError, match=sentence):
        Params.parse(values)


def test_numbers_of_any_kind_are_numbers() -> None:
    """A numpy scalar is as good as a float."""
    assert Params(despill=np.float32(0.5)).despill == 0.5  # type: ignore[arg-type]


def test_params_made_directly_are_checked_too() -> None:
    """No way into Params goes around the table."""
    with pytest.raises(InputError, match="quality"):
        Params(quality="ultra")
