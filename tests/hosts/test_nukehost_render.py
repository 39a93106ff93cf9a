"""The fake Nuke renders as Nuke does: bounding boxes, repeated edges, channels, files, proxies, views, the OFX node."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from corridorkey_models.params import Params
from corridorkey_server.client import Client
from nukehost import NukeError, NukeHost
from nukehost.pictures import Picture

Pixels = NDArray[np.float32]
R, G, B, A = (f"rgba.{name}" for name in ("red", "green", "blue", "alpha"))


@pytest.fixture
def host() -> Iterator[NukeHost]:
    """A Nuke with an artist."""
    with NukeHost() as running:
        yield running


def ramp(width: int, height: int, channels: int = 4) -> Pixels:
    """Return pixels that are all different."""
    return np.arange(1, height * width * channels + 1, dtype=np.float32).reshape(height, width, channels)


def source(host: NukeHost, name: str, pixels: Any, size: tuple[int, int], at: tuple[int, int] | None = None) -> Any:
    """Make a node of pixels that are the same at all frames."""
    return host.source(name, lambda *_: pixels, size, at)


def plane(picture: Picture, name: str = R) -> list[list[float]]:
    """Return a channel over the bounding box."""
    return [[float(value) for value in row] for row in picture.planes[name]]


def write_exr(path: Path, channels: dict[str, Pixels], data: Any, display: Any, **attributes: Any) -> None:
    """Write a file; windows are (x, y) of the first and the last pixel, from the top."""
    windows = {"dataWindow": data, "displayWindow": display}
    header = {name: tuple(np.array(corner, np.int32) for corner in window) for name, window in windows.items()}
    OpenEXR.File({**header, "compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **attributes},
                 channels).write(str(path))  # fmt: skip


def header_of(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and channels of a file."""
    file = OpenEXR.File(str(path), separate_channels=True)
    return file.header(), {name: one.pixels for name, one in file.channels().items()}


def window(header: dict[str, Any], name: str) -> list[int]:
    """Return a window of a file."""
    return [int(value) for corner in header[name] for value in corner]


def test_edges_repeat_outside_of_the_bounding_box(host: NukeHost) -> None:
    """A viewer shows the smeared edge; with BlackOutside it is black, and the box one pixel larger."""
    source(host, "Small", ramp(2, 1, 1), (5, 3), at=(1, 1))
    host.create("BlackOutside", host.node("Small"), name="Black")
    seen = host.pixels("Small").rgba()[..., 0]
    assert seen.tolist() == [[1, 1, 2, 2, 2]] * 3
    black = host.pixels("Black")
    assert black.box == (0, 0, 4, 3)
    assert black.rgba()[..., 0].tolist() == [[0] * 5, [0, 1, 2, 0, 0], [0] * 5]


COPIES = [
    ("B", (0, 0, 2, 2), [[7, 8], [7, 8]]),
    ("A", (1, 0, 3, 1), [[7, 8]]),
    ("union", (0, 0, 3, 2), [[7, 7, 8], [7, 7, 8]]),
    ("intersection", (1, 0, 2, 1), [[7]]),
]


@pytest.mark.parametrize(("bbox", "box", "alpha"), COPIES, ids=[one[0] for one in COPIES])
def test_copy_and_its_bounding_box(bbox: str, box: Any, alpha: Any, host: NukeHost) -> None:
    """Input 0 is B, which stays; input 1 is A, of which channels come, edges repeated, over the box that was chosen."""
    source(host, "Behind", ramp(2, 2), (4, 4), at=(0, 0))
    source(host, "Front", np.array([[[7.0], [8.0]]]), (4, 4), at=(1, 0))
    node = host.create("Copy", host.node("Behind"), host.node("Front"), from0=R, to0=A, bbox=bbox)
    picture = host.pixels(node)
    if bbox == "B":
        assert plane(picture) == plane(host.pixels("Behind"))
        alpha = [[7, 7], [7, 7]]
    assert picture.box == box
    assert plane(picture, A) == alpha
    host.set("Copy1.disable", True)
    assert plane(host.pixels(node), A) == plane(host.pixels("Behind"), A)


def test_copy_into_a_layer(host: NukeHost) -> None:
    """A layer has to be added; a channel that the source lacks is 0."""
    host.paste("add_layer {ck_hint ck_hint.red ck_hint.alpha}\n")
    source(host, "Plate", ramp(2, 1, 3), (2, 1))
    source(host, "Hint", ramp(2, 1, 1), (2, 1))
    host.create("Copy", host.node("Plate"), host.node("Hint"), from0=R, to0="ck_hint.red", from1=A, to1="ck_hint.alpha")
    picture = host.pixels("Copy1")
    assert list(picture.planes) == [R, G, B, "ck_hint.red", "ck_hint.alpha"]
    assert (plane(picture, "ck_hint.red"), plane(picture, "ck_hint.alpha")) == ([[1, 2]], [[0, 0]])
    host.create("Remove", host.node("Copy1"), operation="keep", channels="rgb", channels3="ck_hint", name="Keep")
    host.create("Remove", host.node("Copy1"), channels="rgb", channels3="ck_hint.red", name="Drop")
    assert list(host.pixels("Keep").planes) == [R, G, B, "ck_hint.red", "ck_hint.alpha"]
    assert list(host.pixels("Drop").planes) == ["ck_hint.alpha"]


@pytest.mark.parametrize("black", [True, False])
@pytest.mark.parametrize("intersect", [True, False])
def test_crop(black: bool, intersect: bool, host: NukeHost) -> None:
    """The box is the new bounding box, within the old one if they are intersected, with black around if wished."""
    source(host, "Plate", ramp(2, 2, 1), (4, 4), at=(1, 1))
    node = host.create("Crop", host.node("Plate"), crop=black, intersect=intersect)
    node["box"].fromScript("{0 1 {input.width/2} 2}")
    picture = host.pixels(node)
    inner = [[3]] if intersect else [[3, 3]]
    box = (1, 1, 2, 2) if intersect else (0, 1, 2, 2)
    if black:
        inner = np.pad(inner, 1).tolist()
        box = (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)
    assert (picture.box, plane(picture), picture.format.width) == (box, inner, 4)
    host.set("Crop1.reformat", True)
    picture = host.pixels(node)
    assert (picture.format.width, picture.format.height, host.node("Crop1").height()) == (2, 1, 1)
    assert picture.box == (box[0], box[1] - 1, box[2], box[3] - 1)


def test_expressions_of_pixels(host: NukeHost) -> None:
    """Channels, coordinates from the lower left, sizes, knobs and temporary values; what is not named stays."""
    source(host, "Plate", ramp(3, 2), (3, 2))
    node = host.create(
        "Expression", host.node("Plate"), temp_name0="checker", temp_expr0="(x + y) % 2", expr0="checker ? a : -g",
        expr1="y*10 + x + frame", expr2="rgba.alpha > 12 && width == 3", channel3="rgba.alpha", expr3="1",
    )  # fmt: skip
    picture, before = host.pixels(node), host.pixels("Plate")
    green, alpha = before.planes[G], before.planes[A]
    checker = np.array([[1, 0, 1], [0, 1, 0]])
    assert np.array_equal(picture.planes[R], np.where(checker, alpha, -green))
    assert plane(picture, G) == [[11, 12, 13], [1, 2, 3]]
    assert np.array_equal(picture.planes[B], (alpha > 12) * 1.0)
    assert plane(picture, A) == [[1, 1, 1], [1, 1, 1]]
    host.set("Expression1.expr0", "nothing.there")
    assert "nothing.there" in host.error("Expression1")


def test_premult(host: NukeHost) -> None:
    """Colors are multiplied by alpha, and divided again."""
    source(host, "Plate", np.array([[[4.0, 6, 8, 0.5], [1, 2, 3, 0]]]), (2, 1))
    host.create("Premult", host.node("Plate"))
    host.create("Unpremult", host.node("Premult1"))
    assert host.pixels("Premult1").rgba().tolist() == [[[2, 3, 4, 0.5], [0, 0, 0, 0]]]
    assert host.pixels("Unpremult1").rgba().tolist() == [[[4, 6, 8, 0.5], [0, 0, 0, 0]]]


def test_a_switch_looks_at_one_input_only(host: NukeHost) -> None:
    """A broken input that is not taken does no harm; a number that is too large is the last."""
    source(host, "Good", ramp(2, 1), (2, 1))
    source(host, "Wide", ramp(4, 1), (4, 1))
    bad = host.create("Read", file="/nowhere/a.%04d.exr")
    switch = host.create("Switch", host.node("Good"), bad, host.node("Wide"))
    assert np.array_equal(host.pixels(switch).rgba(), ramp(2, 1))
    for which, width in ((1.9, None), (2, 4), (9, 4), (-3, 2)):
        switch["which"].setValue(which)
        assert switch.hasError() is (width is None)
        if width:
            assert switch.width() == width


def test_assert_and_its_message(host: NukeHost) -> None:
    """It passes its input on, or its message is the error."""
    source(host, "Plate", ramp(1, 1), (1, 1))
    node = host.create("Assert", host.node("Plate"), message="[value name] says no")
    node["expression"].setExpression("frame < 5")
    assert host.error("Assert1", frame=4) == ""
    assert host.error("Assert1", frame=5) == "Assert1: Assert1 says no"


def test_time(host: NukeHost) -> None:
    """TimeOffset and FrameHold look at other frames."""
    host.source("Plate", lambda frame, _: np.full((1, 1, 1), frame, np.float32), (1, 1))
    host.create("TimeOffset", host.node("Plate"), time_offset=10)
    host.create("FrameHold", host.node("Plate"), first_frame=7)
    assert plane(host.pixels("TimeOffset1", 12)) == [[2]]
    assert plane(host.pixels("FrameHold1", 12)) == [[7]]


def test_stock_that_makes_and_mixes_color(host: NukeHost) -> None:
    """Constant, Grade, and a Merge of which input 1 lies over input 0."""
    host.create("Constant", name="Behind", color=0.5, format="3 2 0 0 3 2 1 tiny")
    host.create("Grade", host.node("Behind"), multiply=2.0, add=1.0, name="Graded")
    source(host, "Front", np.array([[[1.0, 2, 3, 0.25]]]), (3, 2))
    host.create("Merge2", host.node("Behind"), host.node("Front"), bbox="B")
    assert host.pixels("Graded").rgba()[0, 0].tolist() == [2, 2, 2, 0.5]
    assert host.pixels("Merge21").rgba()[1, 2].tolist() == [1.375, 2.375, 3.375, 0.625]


UNDONE = [("Copy", "mix", 0.5), ("Crop", "softness", 2.0), ("Premult", "invert", True), ("Read", "auto_alpha", True)]


@pytest.mark.parametrize(("kind", "knob", "value"), [*UNDONE, ("Write", "reading", True)])
def test_knobs_that_the_fake_does_not_heed(kind: str, knob: str, value: Any, host: NukeHost) -> None:
    """Whoever sets one is told so instead of getting something else than in Nuke."""
    host.create(kind, name="N")[knob].setValue(value)
    assert f"does not do {knob}" in host.error("N")


def test_an_unwired_input_is_black(host: NukeHost) -> None:
    """It has the format of the script and no channels."""
    host.create("Dot")
    picture = host.pixels("Dot1")
    assert (picture.format.width, picture.planes, picture.rgba().max()) == (1920, {}, 0)


def test_what_a_write_writes(host: NukeHost, tmp_path: Path) -> None:
    """rgb as half in ZIPS by default, over the bounding box, with the format as display window."""
    source(host, "Plate", ramp(2, 1), (4, 3), at=(-1, 2))
    host.create("Write", host.node("Plate"), file=f"{tmp_path}/w.####.exr", file_type="exr")
    host.render("Write1", 7, 7)
    header, channels = header_of(tmp_path / "w.0007.exr")
    assert sorted(channels) == ["B", "G", "R"]
    assert channels["R"].dtype == np.float16
    assert channels["G"].tolist() == [[2, 6]]
    assert header["compression"] == OpenEXR.ZIPS_COMPRESSION
    assert (window(header, "dataWindow"), window(header, "displayWindow")) == ([-1, 0, 0, 0], [0, 0, 3, 2])


def test_all_channels_of_all_layers(host: NukeHost, tmp_path: Path) -> None:
    """`all` writes what there is: R, G, B, A and layer.channel; a Read learns the layer again."""
    host.paste("add_layer {ck_hint ck_hint.alpha}\n")
    plate = source(host, "Plate", ramp(2, 1), (2, 1))
    copied = host.create("Copy", plate, plate, from0=A, to0="ck_hint.alpha")
    knobs = {"file_type": "exr", "channels": "all", "datatype": "32 bit float", "compression": "none"}
    host.create("Write", copied, file=f"{tmp_path}/w.exr", **knobs)
    host.render("Write1", 1, 1)
    header, channels = header_of(tmp_path / "w.exr")
    assert sorted(channels) == ["A", "B", "G", "R", "ck_hint.alpha"]
    assert channels["ck_hint.alpha"].tolist() == [[4, 8]]
    assert (channels["R"].dtype, header["compression"]) == (np.float32, OpenEXR.NO_COMPRESSION)
    host.load("")
    host.create("Read", file=f"{tmp_path}/w.exr")
    assert plane(host.pixels("Read1"), "ck_hint.alpha") == [[4, 8]]
    host.create("Remove", host.node("Read1"), channels="ck_hint")
    assert "ck_hint.alpha" not in host.pixels("Remove1").planes


def test_a_file_comes_back_as_it_was_written(host: NukeHost, tmp_path: Path) -> None:
    """Pixels stand where they stood; a data window that is not the display window gets black around."""
    pixels = ramp(3, 2)
    for name, at in (("whole", None), ("part", (1, -1))):
        source(host, name, pixels, (3, 2) if at is None else (5, 4), at)
        knobs = {"file_type": "exr", "channels": "rgba", "datatype": "32 bit float"}
        host.create("Write", host.node(name), file=f"{tmp_path}/{name}.exr", name=f"W_{name}", **knobs)
        host.render(f"W_{name}", 1, 1)
        host.create("Read", file=f"{tmp_path}/{name}.exr", name=f"R_{name}")
    assert host.pixels("R_whole").box == (0, 0, 3, 2)
    assert np.array_equal(host.pixels("R_whole").rgba(), pixels)
    part = host.pixels("R_part")
    assert part.box == (0, -2, 5, 2)
    assert np.array_equal(np.dstack([part.read(name, (1, -1, 4, 1)) for name in (R, G, B, A)]), pixels)
    assert part.rgba()[:2].max() == 0
    assert (part.format.width, part.format.height) == (5, 4)


def test_metadata(host: NukeHost, tmp_path: Path) -> None:
    """Attributes of a file come with the picture, through nodes and groups, and into texts."""
    write_exr(tmp_path / "a.0002.exr", {"R": ramp(2, 1, 1)[..., 0]}, ((0, 0), (1, 0)), ((0, 0), (1, 0)), owner="me")
    host.create("Read", file=f"{tmp_path}/a.%04d.exr", first=2, last=3, name="Film")
    host.create("Dot", host.node("Film"), label="[metadata -n Film exr/owner][metadata exr/none]")
    host.go_to(2)
    assert host.get("Dot1.label") == "me"
    assert host.node("Dot1").metadata("exr/owner") == "me"
    assert host.node("Dot1").metadata()["input/filename"] == f"{tmp_path}/a.0002.exr"
    host.go_to(3)
    assert host.get("Dot1.label") == ""


def numbered(folder: Path, frames: tuple[int, ...]) -> str:
    """Write files whose pixel is their frame; returns their pattern."""
    for frame in frames:
        pixel = np.full((1, 1), frame, np.float32)
        write_exr(folder / f"n.{frame:04d}.exr", {"R": pixel}, ((0, 0), (0, 0)), ((0, 0), (0, 0)))
    return f"{folder}/n.%04d.exr"


OUTSIDE = [("hold", 2, 4), ("loop", 3, 3), ("bounce", 4, 2), ("black", None, None)]


@pytest.mark.parametrize(("word", "before", "after"), OUTSIDE, ids=[one[0] for one in OUTSIDE])
def test_frames_outside_of_a_read(word: str, before: float | None, after: float | None, host: NukeHost,
                                  tmp_path: Path) -> None:  # fmt: skip
    """They are held, looped, mirrored or black."""
    file = numbered(tmp_path, (2, 3, 4))
    host.create("Read", file=file, first=2, last=4, before=word, after=word)
    for frame, expected in ((0, before), (6, after), (3, 3)):
        seen = host.pixels("Read1", frame)
        assert (plane(seen) == [[expected]]) if expected is not None else (seen.planes == {})


def test_a_missing_frame(host: NukeHost, tmp_path: Path) -> None:
    """It is an error or black, as on_error says; the error ends a render with its words."""
    file = numbered(tmp_path, (1, 3))
    host.create("Read", file=file, last=3)
    host.create("Write", host.node("Read1"), file=f"{tmp_path}/w.%04d.exr", file_type="exr")
    assert "n.0002.exr: No such file" in host.error("Read1", 2)
    with pytest.raises(NukeError, match=r"Read1: .*No such file"):
        host.render("Write1", 1, 3)
    assert [path.name for path in host.renders[0].written] == ["w.0001.exr"]
    host.set("Read1.on_error", "black")
    assert host.pixels("Read1", 2).rgba().max() == 0


def test_a_damaged_file(host: NukeHost, tmp_path: Path) -> None:
    """A file that is cut off or no picture at all is an error."""
    file = Path(numbered(tmp_path, (1,)) % 1)
    for content in (file.read_bytes()[:-3], b"no picture"):
        file.write_bytes(content)
        node = host.create("Read", file=str(file))
        assert "read error" in host.error(node.name())


def test_a_read_keeps_what_it_read(host: NukeHost, tmp_path: Path) -> None:
    """Files that change, appear or go are seen after `reload`, which another name does not need."""
    file = tmp_path / "n.0001.exr"
    node = host.create("Read", file=f"{tmp_path}/n.%04d.exr")
    assert host.error("Read1")
    numbered(tmp_path, (1,))
    assert host.error("Read1")
    node["reload"].execute()
    assert plane(host.pixels("Read1")) == [[1]]
    numbered(tmp_path, (2,))
    (tmp_path / "n.0002.exr").replace(file)
    assert plane(host.pixels("Read1")) == [[1]]
    node["file"].setValue(str(tmp_path / "." / "n.0001.exr") + "")
    host.press("Read1.reload")
    assert plane(host.pixels("Read1")) == [[2]]


def test_views_have_their_files(host: NukeHost, tmp_path: Path) -> None:
    """%V is the view; several views do not go into one file."""
    with_views = host.project.views
    with_views[:] = ["left", "right"]
    host.source("Plate", lambda _, view: np.full((1, 1, 1), len(view), np.float32), (1, 1))
    host.create("Write", host.node("Plate"), file=f"{tmp_path}/w.%V.%04d.exr", file_type="exr")
    host.render("Write1", 1, 2)
    host.render("Write1", 3, 3, ["right"])
    assert sorted(path.name for path in tmp_path.glob("*")) == [
        f"w.{view}.000{frame}.exr" for view, last in (("left", 2), ("right", 3)) for frame in range(1, last + 1)
    ]
    host.create("Read", file=f"{tmp_path}/w.%V.%04d.exr")
    assert [plane(host.pixels("Read1", 1, view)) for view in ("left", "right")] == [[[4]], [[5]]]
    host.set("Write1.file", f"{tmp_path}/w.%04d.exr")
    with pytest.raises(NukeError, match="%V"):
        host.render("Write1", 1, 1)


def test_a_proxy_is_smaller(host: NukeHost, tmp_path: Path) -> None:
    """Everything is scaled where the script shows proxies, also what is written, and sizes in knobs are not."""
    pixels = ramp(4, 2)
    source(host, "Plate", pixels, (4, 2))
    node = host.create("Crop", host.node("Plate"), crop=False)
    node["box"].fromScript("{0 0 {input.width} {input.height}}")
    host.create("Write", node, file=f"{tmp_path}/w.%04d.exr", file_type="exr", channels="rgba")
    host.set_root(proxy=True)
    assert host.pixels("Crop1").box == (0, 0, 2, 1)
    host.render("Write1", 1, 1)
    host.set_root(proxy=False)
    host.render("Write1", 2, 2)
    half, full = (header_of(tmp_path / f"w.000{frame}.exr")[1]["R"] for frame in (1, 2))
    assert half.tolist() == pixels[:1, 1::2, 0].tolist()
    assert full.tolist() == pixels[..., 0].tolist()
    assert [one.scale for one in host.renders] == [0.5, 1]


def test_groups_pass_their_inputs(host: NukeHost) -> None:
    """An Input is what is wired to its number; a disabled group gives its input 0."""
    host.load(
        "Group { inputs 0 name G }\nInput { inputs 0 name b number 1 }\nInput { inputs 0 name a }\n"
        "Copy { inputs 2 from0 rgba.red to0 rgba.alpha }\nOutput { }\nend_group\n"
    )
    source(host, "First", ramp(2, 1), (2, 1))
    source(host, "Second", ramp(2, 1) * 10, (2, 1))
    host.connect("G", 0, "First")
    host.connect("G", 1, "Second")
    assert plane(host.pixels("G"), A) == [[10, 50]]
    assert (host.node("G").width(), host.node("G").inputs(), host.node("G").maxInputs()) == (2, 2, 2)
    host.set("G.disable", True)
    assert plane(host.pixels("G"), A) == [[4, 8]]


def test_the_range_of_a_read_goes_through_nodes(host: NukeHost, tmp_path: Path) -> None:
    """Frames and format come from the Read at the end of input 0; the script's where there is none."""
    write_exr(tmp_path / "a.exr", {"R": ramp(6, 5, 1)[..., 0]}, ((0, 0), (5, 4)), ((0, 0), (5, 4)))
    host.create("Read", file=f"{tmp_path}/a.exr", first=5, last=9)
    node = host.create("Grade", host.node("Read1"), label="[value input.first_frame] [value this.width]")
    assert (node.firstFrame(), node.lastFrame(), node.width(), node.height()) == (5, 9, 6, 5)
    assert host.get("Grade1.label") == "5 6"
    assert host.create("Dot").lastFrame() == 100


OFX = "OFXcorridorkey.comp_v1"


def test_the_ofx_node_is_the_plug_in(plug_in: Path, keying: Client) -> None:
    """It is rendered by the plug-in itself, with the parameters of its knobs at the frame, bit for bit."""
    plate = np.random.default_rng(1).random((24, 32, 3), np.float32)
    hint = np.zeros((24, 32), np.float32)
    hint[6:18, 8:24] = 1
    with NukeHost(has_ofx=plug_in) as host:
        source(host, "Plate", plate, (32, 24))
        source(host, "Hint", np.repeat(hint[..., None], 4, axis=2), (32, 24))
        node = host.create(OFX, host.node("Plate"), host.node("Hint"))
        node["working_space"].setValue("Linear Rec.709")
        host.animate(f"{node.name()}.matte_gamma", {1: 1, 2: 2})
        for frame, gamma in ((1, 1.0), (2, 2.0)):
            seen = host.pixels(node, frame).rgba()
            expected = keying.key(plate, hint, Params(working_space="linear_rec709", matte_gamma=gamma))
            assert np.array_equal(seen[..., 3], expected.matte)
            assert np.array_equal(seen[..., :3], expected.foreground * expected.matte[..., None])
        assert 0 < expected.matte.mean() < 1


@pytest.mark.usefixtures("nowhere")
def test_the_ofx_node_says_why_it_fails(binary: Path) -> None:
    """Without a daemon the plug-in's sentence is the node's error; a Nuke without the plug-in has no such class."""
    with NukeHost(has_ofx=binary) as host:
        source(host, "Plate", ramp(4, 4), (4, 4))
        host.create(OFX, host.node("Plate"), name="Live")
        assert host.error("Live").startswith("Live: no CorridorKey daemon runs;")
    with NukeHost() as host, pytest.raises(NukeError, match="Unknown node class"):
        host.create(OFX)
