"""What names the settings of a keyed frame: every parameter that its pixels follow from, and nothing else."""

import dataclasses

import pytest

from corridorkey_models.fingerprint import settings_hash, settings_text
from corridorkey_models.params import PARAMS, Param, Params, Stage, Value


def other(param: Param) -> Value:
    """Return a value that is not the default."""
    if param.kind == "choice":
        return next(word for word in param.choices if word != param.default)
    if param.kind == "bool":
        return not param.default
    assert param.low is not None and param.high is not None
    return param.low + 0.75 * (param.high - param.low)


def test_the_text_is_permanent() -> None:
    """Scripts of Nuke hold the same line in Tcl, and keyed files hold it for years."""
    assert settings_text(Params(despill=2 / 3, despeckle=True, hint_erode=-0.5)) == (
        "screen=green working_space=auto quality=full hint_source=auto hint_channel=auto hint_invert=0 hint_erode=-0.5 "
        "hint_blur=0 refiner_scale=1 despill=0.666667 despeckle=1 despeckle_size=400 foreground_source=plate_core "
        "highlight_restore=1 gamut_restore=1 matte_black=0 matte_white=1 matte_gamma=1 matte_grow=0 matte_blur=0 "
        "overscan=0 output_space=same"
    )
    assert settings_hash("screen=green") == "fe8be24ff1a8648b"


@pytest.mark.parametrize("param", PARAMS, ids=lambda param: param.name)
def test_every_parameter_but_the_view_is_in_it(param: Param) -> None:
    """Another value of a parameter is another text, unless it changes only what is shown."""
    changed = dataclasses.replace(Params(), **{param.name: other(param)})
    assert (settings_text(changed) == settings_text(Params())) is (param.stage is Stage.VIEW)
