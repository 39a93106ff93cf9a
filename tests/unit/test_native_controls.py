"""The controls that the OFX plug-in defines, against the parameter table."""

from collections.abc import Iterator
from typing import Any

import pytest

import native
from corridorkey_models.params import PARAMS, Param
from ofxhost import modes
from ofxhost.host import Host
from ofxhost.params import ParamDescriptor

TYPES = {"bool": "OfxParamTypeBoolean", "float": "OfxParamTypeDouble", "choice": "OfxParamTypeChoice"}
GROUPS = {
    "screen_group": {"screen", "working_space", "quality", "detect_screen"},
    "hint_group": {"hint_source", "hint_channel", "hint_invert", "hint_erode", "hint_blur"},
    "matte_group": {
        *("refiner_scale", "despeckle", "despeckle_size"),
        *("matte_black", "matte_white", "matte_gamma", "matte_grow", "matte_blur"),
    },
    "foreground_group": {"despill", "foreground_source", "highlight_restore", "gamut_restore"},
    "output_group": {"overscan", "output", "output_space"},
}
BELOW = {"start_daemon", "status", "open_docs", "status_text"}
CONTEXTS = ("OfxImageEffectContextFilter", "OfxImageEffectContextGeneral")

Controls = dict[str, ParamDescriptor]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A strict host that has had the plug-in describe itself."""
    binary = tmp_path_factory.mktemp("ofx") / "CorridorKey.ofx"
    native.compile_c(native.sources("client", "plugin"), binary, "-shared", "-fPIC", "-fvisibility=hidden")
    with Host(binary, modes.STRICT) as loaded:
        yield loaded


@pytest.fixture(params=CONTEXTS)
def controls(request: pytest.FixtureRequest, host: Host) -> Controls:
    """What the host was told of the controls, in each context."""
    return host.contexts[request.param].param_set.params


def read(control: ParamDescriptor, name: str) -> tuple[Any, ...]:
    """Return a property of a control."""
    return tuple(control.properties.all(f"OfxParamProp{name}"))


@pytest.mark.parametrize("param", PARAMS, ids=lambda param: param.name)
def test_each_row_is_a_control(controls: Controls, param: Param) -> None:
    """A row's kind, label and tooltip are its control's, and whether it animates is said."""
    control = controls[param.name]
    assert control.type == TYPES[param.kind]
    assert control.properties.get("OfxPropLabel") == param.label
    assert read(control, "Hint") == (param.tooltip,)
    assert read(control, "Animates") == (int(param.kind == "float"),)


@pytest.mark.parametrize("param", [row for row in PARAMS if row.kind == "choice"], ids=lambda param: param.name)
def test_each_choice_keeps_its_words_in_order(controls: Controls, param: Param) -> None:
    """A menu has the words of the table in their permanent order, and begins at the default."""
    control = controls[param.name]
    assert read(control, "ChoiceOption") == param.choice_labels
    assert read(control, "Default") == (param.choices.index(str(param.default)),)


@pytest.mark.parametrize("param", [row for row in PARAMS if row.kind == "float"], ids=lambda param: param.name)
def test_each_number_has_all_of_its_ranges(controls: Controls, param: Param) -> None:
    """A number has the range of the table, and a slider within it that holds the default and can be aimed."""
    control = controls[param.name]
    assert (read(control, "Min"), read(control, "Max")) == ((param.low,), (param.high,))
    (low,), (default,), (high,) = (read(control, name) for name in ("DisplayMin", "Default", "DisplayMax"))
    assert param.low is not None
    assert param.high is not None
    assert param.low == low <= default == param.default <= high <= param.high
    assert high - low <= 2000
    assert read(control, "DoubleType") == ("OfxParamDoubleTypePlain",)
    assert read(control, "Digits")[0] > 0
    assert 0 < read(control, "Increment")[0] < high - low


@pytest.mark.parametrize("param", [row for row in PARAMS if row.kind == "bool"], ids=lambda param: param.name)
def test_each_switch_has_its_default(controls: Controls, param: Param) -> None:
    """A switch begins as in the table."""
    assert read(controls[param.name], "Default") == (int(bool(param.default)),)


def test_every_control_is_in_its_group(controls: Controls) -> None:
    """Groups hold what belongs together; a row that no group names would turn up in the last one."""
    shown = {name: control for name, control in controls.items() if not control.type.endswith(("Group", "Page"))}
    found: dict[str, set[str]] = {}
    for name, control in shown.items():
        found.setdefault(next(iter(read(control, "Parent")), ""), set()).add(name)
    assert found == {**GROUPS, "": BELOW}
    assert set(shown) == {param.name for param in PARAMS} | {"detect_screen"} | BELOW


def test_rows_keep_their_order(controls: Controls) -> None:
    """Within a group controls come in the order of the table."""
    rows = [param.name for param in PARAMS]
    for members in GROUPS.values():
        ordered = [name for name in controls if name in members and name in rows]
        assert ordered == sorted(ordered, key=rows.index)


def test_the_page_lists_every_control_once(controls: Controls) -> None:
    """Hosts with pages show all that hosts with groups show."""
    shown = [name for name, control in controls.items() if not control.type.endswith(("Group", "Page"))]
    assert list(read(controls["controls"], "PageChild")) == shown


def test_the_status_line_is_not_kept(controls: Controls) -> None:
    """The status line cannot be edited, is not saved, and makes no host render again."""
    line = controls["status_text"]
    assert read(line, "StringMode") == ("OfxParamStringIsSingleLine",)
    for name in ("Enabled", "Persistant", "EvaluateOnChange", "Animates"):
        assert read(line, name) == (0,), name
