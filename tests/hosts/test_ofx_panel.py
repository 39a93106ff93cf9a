"""What hosts are told of the effect, its clips and its controls; and that being asked costs them nothing."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

import native
from corridorkey_models.params import PARAMS, Param
from ofx_shots import in_every_mode, shown
from ofxhost import FILTER, GENERAL, MLT, NUKE, STRICT, Host, Mode, abi
from ofxhost.descriptors import Descriptor
from ofxhost.footprint import allocated
from ofxhost.params import ParamDescriptor
from ofxhost.session import Action

RGBA, RGB, ALPHA = "OfxImageComponentRGBA", "OfxImageComponentRGB", "OfxImageComponentAlpha"
CLIPS = {
    "Source": "Source",
    "AlphaHint": "Alpha Hint",
    "InsideMask": "Inside Mask",
    "OutsideMask": "Outside Mask",
    "Output": "Output",
}
"""Labels of the clips by name, in the order of a host's pins."""

EFFECT = {
    "OfxPropLabel": ["CorridorKey"],
    "OfxImageEffectPluginPropGrouping": ["Keyer"],
    "OfxImageEffectPropSupportedContexts": [FILTER, GENERAL],
    "OfxImageEffectPropSupportedPixelDepths": ["OfxBitDepthFloat"],
    "OfxImageEffectPropSupportsTiles": [0],
    "OfxImageEffectPropSupportsMultiResolution": [1],
    "OfxImageEffectPropTemporalClipAccess": [0],
    "OfxImageEffectPropMultipleClipDepths": [0],
    "OfxImageEffectPropSupportsMultipleClipPARs": [0],
    "OfxImageEffectPluginPropSingleInstance": [0],
    "OfxImageEffectPluginRenderThreadSafety": ["OfxImageEffectRenderFullySafe"],
    "OfxImageEffectPluginPropHostFrameThreading": [0],
    "OfxImageEffectPropClipPreferencesSlaveParam": ["output"],
}
TYPES = {"bool": "OfxParamTypeBoolean", "float": "OfxParamTypeDouble", "choice": "OfxParamTypeChoice"}
GROUPS = ["screen_group", "hint_group", "matte_group", "foreground_group", "output_group"]
BUTTONS = ["detect_screen", "start_daemon", "status", "open_docs"]


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the host's look at what a plug-in opens, which takes long and reads much."""
    monkeypatch.setattr("ofxhost.plugin.QUIET", frozenset())


def described(descriptor: Descriptor) -> dict[str, Any]:
    """Return all that a plug-in said of itself in a context, but for components, which are as the host has them."""
    said = {"": set_by(descriptor), "order": [*descriptor.clips, *descriptor.param_set.params]}
    said |= {f"clip {name}": set_by(clip) for name, clip in descriptor.clips.items()}
    return said | {f"param {name}": (one.type, set_by(one)) for name, one in descriptor.param_set.params.items()}


def set_by(thing: Any) -> dict[str, Any]:
    """Return the properties that the plug-in set."""
    names = thing.properties.was_set - {"OfxImageEffectPropSupportedComponents"}
    return {name: thing.properties.all(name) for name in sorted(names)}


def read(control: ParamDescriptor, name: str) -> Any:
    """Return the one value of a property of a control."""
    (value,) = control.properties.all(f"OfxParamProp{name}")
    return value


def describe_again(host: Host) -> None:
    """Ask the plug-in what it is, in general and in each context, as a host does that scans."""
    host.plugin.must(Action(abi.DESCRIBE, host.general), host.general.handle)
    for context in host.contexts:
        fresh = Descriptor(host.session, context, {"OfxPluginPropFilePath": "/nowhere"})
        action = Action(abi.DESCRIBE_IN_CONTEXT, fresh)
        host.plugin.must(action, fresh.handle, {"OfxImageEffectPropContext": context})
        fresh.close()


def describe_and_load(host: Host, count: int) -> None:
    """Ask so often, and end and begin the plug-in at every fourth time."""
    for turn in range(count):
        if turn % 4 == 0:
            host.plugin.must(Action(abi.UNLOAD))
            host.plugin.must(Action(abi.LOAD))
        describe_again(host)


@in_every_mode
def test_the_effect_is_what_projects_remember(mode: Mode, plug_in: Path) -> None:
    """Identifier, version, label, group, contexts and flags are the same for every host."""
    with Host(plug_in, mode) as host:
        assert (host.plugin.identifier, host.plugin.version) == ("corridorkey.comp", (1, 0))
        assert {name: host.general.properties.all(name) for name in EFFECT} == EFFECT
        assert "ckey start" in host.general.properties.get("OfxPropPluginDescription")
        assert not [name for name in host.general.properties.was_set if re.search("Cuda|OpenCL|OpenGL|Metal", name)]
        assert set(host.contexts) == {FILTER, GENERAL} & set(mode.contexts)


@in_every_mode
def test_clips_in_each_context(mode: Mode, plug_in: Path) -> None:
    """The same five everywhere: plate and output are RGBA, what is optional takes what the host has of a matte."""
    matte = [ALPHA, RGBA, RGB] if RGB in mode.components else [ALPHA, RGBA]
    with Host(plug_in, mode) as host:
        for descriptor in host.contexts.values():
            assert list(descriptor.clips) == list(CLIPS)
            for name, clip in descriptor.clips.items():
                is_matte = name not in ("Source", "Output")
                assert clip.properties.get("OfxPropLabel") == CLIPS[name]
                assert clip.is_optional == is_matte
                assert clip.properties.all("OfxImageEffectPropSupportedComponents") == (matte if is_matte else [RGBA])
                assert clip.properties.get("OfxImageEffectPropSupportsTiles") == 0
                assert clip.properties.get("OfxImageEffectPropTemporalClipAccess") == 0
                assert "OfxImageClipPropIsMask" not in clip.properties.was_set


@in_every_mode
def test_every_host_is_told_the_same(mode: Mode, plug_in: Path) -> None:
    """Nothing but the components depends on host or context: a project may move."""
    with Host(plug_in, STRICT) as host:
        expected = described(host.contexts[FILTER])
    with Host(plug_in, mode) as host:
        for descriptor in host.contexts.values():
            assert described(descriptor) == expected


@in_every_mode
def test_a_fresh_node_has_the_defaults(mode: Mode, plug_in: Path) -> None:
    """What an artist sees before touching anything is the parameter table."""
    with Host(plug_in, mode) as host:
        effect = host.create()
        for param in PARAMS:
            assert effect.value(param.name) == shown(param.default), param.name


def ranges(param: Param) -> tuple[float, float]:
    """Return what a number may be; a menu's entries are numbered."""
    assert param.low is not None
    assert param.high is not None
    return param.low, param.high


@pytest.mark.parametrize("context", [FILTER, GENERAL])
def test_every_row_of_the_table_is_there_once(context: str, plug_in: Path) -> None:
    """With its type, label, default, range, slider, tooltip, and the words of a menu in their order."""
    with Host(plug_in, STRICT) as host:
        controls = host.contexts[context].param_set.params
        rows = [name for name in controls if name not in (*GROUPS, *BUTTONS, "controls", "status_text")]
        assert sorted(rows) == sorted(param.name for param in PARAMS)
        for param in PARAMS:
            control = controls[param.name]
            assert control.type == TYPES[param.kind], param.name
            assert control.properties.get("OfxPropLabel") == param.label
            assert read(control, "Hint") == param.tooltip
            if param.kind == "float":
                assert (read(control, "Min"), read(control, "Max")) == ranges(param)
                assert param.low == read(control, "DisplayMin") < read(control, "DisplayMax") <= ranges(param)[1]
                assert read(control, "Default") == param.default
            elif param.kind == "choice":
                assert control.properties.all("OfxParamPropChoiceOption") == list(param.choice_labels)
                assert param.choices[read(control, "Default")] == param.default
            else:
                assert read(control, "Default") == int(bool(param.default))


@pytest.mark.parametrize("context", [FILTER, GENERAL])
def test_groups_buttons_and_the_page(context: str, plug_in: Path) -> None:
    """Five groups, four buttons with a tooltip each, and one page that lists every control once."""
    with Host(plug_in, STRICT) as host:
        controls = host.contexts[context].param_set.params
        types = {name: control.type.removeprefix("OfxParamType") for name, control in controls.items()}
        assert [name for name, kind in types.items() if kind == "Group"] == GROUPS
        assert [name for name, kind in types.items() if kind == "PushButton"] == BUTTONS
        assert [name for name, kind in types.items() if kind == "Page"] == ["controls"]
        assert all(read(controls[name], "Hint").endswith(".") for name in BUTTONS)
        shown = [name for name, kind in types.items() if kind not in ("Group", "Page")]
        assert controls["controls"].properties.all("OfxParamPropPageChild") == shown
        assert {name: bool(read(controls[name], "GroupOpen")) for name in GROUPS} == {
            name: name in ("screen_group", "hint_group", "output_group") for name in GROUPS
        }


@pytest.mark.parametrize("mode", [STRICT, NUKE], ids=lambda mode: mode.label)
def test_the_status_line_is_a_disabled_line_of_text(mode: Mode, plug_in: Path) -> None:
    """It is not kept in projects, it makes no host render again, and Nuke shows what it says."""
    with Host(plug_in, mode) as host:
        line = host.contexts[GENERAL].param_set.params["status_text"]
        assert line.type == "OfxParamTypeString"
        assert read(line, "StringMode") == "OfxParamStringIsSingleLine"
        assert [read(line, name) for name in ("Enabled", "Persistant", "EvaluateOnChange", "Animates")] == [0] * 4
        assert line.properties.get("OfxParamPropSecret", 0) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("unwatched")
def test_describing_leaves_nothing_behind(plug_in: Path) -> None:
    """A host may ask 200 times and load 50 times: memory and descriptors stay as they are."""
    with Host(plug_in, STRICT) as host:
        describe_and_load(host, 40)
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        grown = min(growth(host) for _ in range(3))  # Python asks malloc for a table of its own now and then
        assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    # Less than 24 bytes, the least that malloc gives, each time.
    assert native.is_sanitized() or grown < 200 * 24


def growth(host: Host) -> int:
    """Return how many bytes are held after 200 times more than before."""
    memory = allocated()
    describe_and_load(host, 200)
    return allocated() - memory


@pytest.mark.slow
@pytest.mark.usefixtures("unwatched")
def test_instances_leave_nothing_behind(plug_in: Path) -> None:
    """Nodes come and go: MLT makes one for each frame."""
    with Host(plug_in, STRICT) as host:
        for _ in range(20):
            host.destroy(host.create())
        memory, descriptors = allocated(), len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(100):
            host.destroy(host.create())
        grown = allocated() - memory
        assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert native.is_sanitized() or grown < 100 * 24


def calls() -> dict[str, int]:
    """Return how often this process has read and written, whatever it was."""
    said = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {name: int(said[name]) for name in ("syscr", "syscw")}


@pytest.mark.usefixtures("unwatched")
def test_describing_is_quick_and_touches_no_file(plug_in: Path) -> None:
    """Hosts scan at every start: it takes less than 5 ms of the processor, the host's own part included."""
    with Host(plug_in, MLT) as host:
        one, other = calls(), calls()
        by_looking = {name: other[name] - one[name] for name in one}
        seconds = []
        for _ in range(20):
            before, begun = calls(), time.thread_time()
            describe_again(host)
            seconds.append(time.thread_time() - begun)
            after = calls()
            assert {name: after[name] - before[name] for name in after} == by_looking
    assert native.is_sanitized() or min(seconds) < 0.005
