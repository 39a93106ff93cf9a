"""The strict fake of Fusion: a tool lives in it, and each thing that its fuse does wrong is seen."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fusionhost import APP_STORE, NO_FFI, NO_JIT, POINTER, POINTER20, Fusion, Kind, Picture
from small_fuse import BEGIN, CREATE, NEW, PRECALC, PROMISE, REGISTER, SET, SMALL, Write, faults, inverted


@pytest.mark.parametrize(
    ("process", "fault"),
    [
        (BEGIN + SET + "\n Out:Set(req, new)", "Output was set twice"),
        (BEGIN + "Out:Set(req, image)", "set to an input's image"),
        (BEGIN + f"Out:Set(req, {PROMISE})", "Output was set to an image without data"),
        (BEGIN + "Out:Set(req, new)", "Process set Output and no other output"),
        (BEGIN + "if kept then Out:Set(req, kept) else kept = new end", "set to an image that was freed"),
        (BEGIN + "asked = asked or req\n In:GetValue(asked)", "GetValue of Input with a request that is over"),
        (BEGIN.replace("IMDP_128bitFloat", "4") + SET, "PreCalcProcess said"),
        (BEGIN + "self:DoMultiProcess(nil, {}, 1, function() print(new) end)", "a worker function has upvalues"),
        (BEGIN + "self:DoMultiProcess(nil, { a = {} }, 1, function() end)", "a worker gets no table (a)"),
        (BEGIN + "self:DoMultiProcess(nil, { a = print }, 1, function() end)", "a worker gets no function (a)"),
        (BEGIN + "self:DoMultiProcess(nil, { a = ffi.new('int') }, 1, function() end)", "a worker gets no cdata (a)"),
        (BEGIN + "self:DoMultiProcess(nil, { 1 }, 1, function() end)", "a worker gets values by name"),
        (
            BEGIN + "kept = kept or new\n self:DoMultiProcess(nil, { a = kept }, 1, function() end)",
            "a worker gets an image that was freed (a)",
        ),
        (BEGIN + "new:Crop(image, {})", "Crop into an input's image"),
        (BEGIN + f"local none = {PROMISE}\n none:Crop(new, {{}})", "Crop of an image without data"),
        (BEGIN + "kept = kept or new\n Image({ IMG_Like = kept })", "IMG_Like of an image that was freed"),
        (BEGIN + "self:SetProgress(1.5)", "SetProgress of 1.5"),
        (BEGIN + "self:AddInput('A', 'A', {})", "AddInput A: outside of Create"),
        (BEGIN + "Amount:SetSource(Number(9), 0)", "Amount is not allowed to be 9"),
        (BEGIN + "StatusLine:SetAttrs({ LINKS_Nmae = 'a' })", "unknown attribute LINKS_Nmae"),
    ],
)
def test_process_misdeeds(write: Write, process: str, fault: str) -> None:
    """What Process may not do is a fault."""
    path = write(Process=process)
    assert fault in faults(path, lambda tool: tool.process(SMALL))


@pytest.mark.parametrize(
    ("precalc", "fault"),
    [
        ("", "PreCalcProcess set 0 of 2 outputs"),
        (PRECALC.partition("\n")[0] + f"\n Out:Set(req, {PROMISE})", "PreCalcProcess set 1 of 2 outputs"),
        (PRECALC.partition("\n")[0] + f"\n Out:Set(req, {NEW})", "pixels in PreCalcProcess"),
        (PRECALC + "\n image:GetPixel(0, 0, Pixel())", "an image without data was touched"),
        (PRECALC + "\n self:DoMultiProcess(nil, {}, 1, function() end)", "DoMultiProcess outside of Process"),
    ],
)
def test_precalc_misdeeds(write: Write, precalc: str, fault: str) -> None:
    """PreCalcProcess has to promise every output, and has no pixels."""
    assert fault in faults(write(PreCalcProcess=precalc))


NUMBER = 'self:AddInput("A", "A", { LINKID_DataType = "Number", '


@pytest.mark.parametrize(
    ("create", "fault"),
    [
        (NUMBER + "INP_Defualt = 1 })", "AddInput A: unknown attribute INP_Defualt"),
        (NUMBER + "INP_Default = true })", "attribute INP_Default is True"),
        (NUMBER + 'INP_Required = "no" })', "attribute INP_Required is 'no'"),
        (NUMBER + "INP_Default = 3, INP_MaxAllowed = 2 })", "its default: A is not allowed to be 3"),
        (NUMBER + 'INPID_InputControl = "Slider" })', "unknown INPID_InputControl Slider"),
        (NUMBER + 'INPID_InputControl = "ComboControl" })', "a combo without entries"),
        (NUMBER + 'INPID_InputControl = "ComboControl", { CCS_Add = "a" } })', "unknown entry"),
        ('self:AddInput("A", "A", { LINKID_DataType = "Float" })', "unknown LINKID_DataType Float"),
        ('self:AddInput("A", "a b", { LINKID_DataType = "Number" })', "its id is no identifier"),
        ('self:AddInput("A", "Output", { LINKID_DataType = "Number" })', "AddInput Output: its id is taken"),
        ('self:AddOutput("A", "A", { LINKID_DataType = "Imgae" })', "AddOutput A: its LINKID_DataType"),
        (
            'self:AddInput("A", "A", { LINKID_DataType = "Image", LINK_Main = 2, INP_Required = false })',
            "same LINK_Main",
        ),
        ('self:BeginControlNest("A", "A", true, {})', "a control nest is not ended"),
        ('self:BeginControlNest("A", "A", 1, {}) self:EndControlNest()', "BeginControlNest of A: open is 1"),
        ("self:EndControlNest()", "EndControlNest without BeginControlNest"),
        ("error('no')", "Create: "),
        ("NotifyChanged = nil", "INP_DoNotifyChanged without NotifyChanged"),
        ("NotifyChanged = function() error('no') end", "NotifyChanged: "),
        ("NotifyChanged = function() Image({ IMG_Width = 1, IMG_Height = 1 }) end", "Image outside of Process"),
        ("Process = nil", "the fuse has no Process"),
    ],
)
def test_create_misdeeds(write: Write, create: str, fault: str) -> None:
    """What Create gives wrong is a fault."""
    assert fault in faults(write(Create=CREATE + create))


@pytest.mark.parametrize(
    "use", ["print(1)", "ffi.load('m')", "io.open('a')", "os.execute('a')", "require('a')", "Pixel()"]
)
def test_top_level(write: Write, use: str) -> None:
    """A fuse that registers uses nothing but plain Lua, though it may look at what is there."""
    name = use.partition("(")[0].partition(".")[0]
    path = write(head=f"local found = {name}\n if self == nil then {use} end\n{REGISTER}")
    with Fusion(POINTER, path.parent) as fusion:
        with pytest.raises(AssertionError, match="0 times"):
            fusion.register(path)
        assert f"{name} was used while the fuse registered" in fusion.take_faults()
        path = write(head=f"local found = {name}\n if self then local used = type({name}) end\n{REGISTER}")
        assert fusion.register(path) == {"id": "Fake", "kind": "CT_Tool", "REGS_Name": "Fake"}


@pytest.mark.parametrize(
    ("register", "fault"),
    [
        (REGISTER.replace("Fake", "a-b"), "FuRegisterClass of a-b"),
        (REGISTER.replace("REGS_Name", "REGS_Nmae"), "unknown attribute REGS_Nmae"),
        (REGISTER.replace('= "Fake"', "= 1"), "attribute REGS_Name is 1"),
    ],
)
def test_registration(write: Write, register: str, fault: str) -> None:
    """What a fuse registers wrong is a fault."""
    assert fault in faults(write(head=register))


def test_exit(write: Write) -> None:
    """A context ends with the faults that nobody took, but not in place of another error."""
    path = write(Create=CREATE + "self:EndControlNest()")
    with pytest.raises(AssertionError, match="EndControlNest without"), Fusion(POINTER, path.parent) as fusion:
        fusion.create(path)
    with pytest.raises(LookupError), Fusion(POINTER, path.parent) as fusion:
        fusion.create(path)
        raise LookupError


@pytest.mark.parametrize("where", ["fuse", "module", "worker"])
def test_globals(write: Write, where: str) -> None:
    """Reading an unknown global is an error everywhere; looking for ffi, jit, bmd and require is none."""
    quiet, loud = "local a, b, c, d = ffi, jit, bmd, require", "local a = unknown"
    for act, expected in ((quiet, ""), (loud, "undefined global unknown")):
        wrapped = f"self:DoMultiProcess(nil, {{}}, 1, function() {act} end)" if where == "worker" else act
        path = write(Process=BEGIN + ("require('loaded')\n" if where == "module" else wrapped) + SET)
        (path.parent / "loaded.lua").write_text(act)
        with Fusion(replace(NO_FFI, workers=1), path.parent) as fusion:
            result = fusion.create(path).process(SMALL)
            text = "".join(result.lines) if where == "worker" else result.error or ""
            assert expected in text
            assert bool(expected) == bool(text)


def test_module_globals(write: Write) -> None:
    """A module has Pixel and PixPtr but nothing else of Fusion's, and assigns no global."""
    path = write(Process=BEGIN + "require('loaded')" + SET)
    for module, expected in (
        ("local a = Pixel()", ""),
        ("local a = Image", "undefined global Image"),
        ("a = 1", "global a"),
    ):
        (path.parent / "loaded.lua").write_text(module)
        with Fusion(POINTER, path.parent) as fusion:
            result = fusion.create(path).process(SMALL)
            assert expected in (result.error or "")
            assert bool(expected) == bool(result.error)
            assert len(fusion.take_faults()) == (expected == "global a")


@pytest.mark.parametrize("kind", [POINTER, NO_FFI], ids=lambda one: one.label)
def test_main_ffi(write: Write, kind: Kind) -> None:
    """Kinds differ in whether the main state has FFI, as a global and by require."""
    path = write(Process=BEGIN + "print(ffi ~= nil, (pcall(require, 'ffi')))" + SET)
    with Fusion(kind, path.parent) as fusion:
        lines = fusion.create(path).process(SMALL).lines
        assert lines == ["true\ttrue" if kind.main_ffi else "false\tfalse"]


def test_controls(write: Write) -> None:
    """Inputs are set as a person does it, the fuse hears of what it asked to hear, and sets some itself."""
    notify = """if inp == Button and param.Value > 0.5 then
        Mode:SetSource(Number(1), time)
        Note:SetSource(Text("pressed"), time)
        StatusLine:SetAttrs({ LINKS_Name = self.Name })
    elseif inp == Amount then print("amount", param.Value) end"""
    path = write(NotifyChanged=notify)
    with Fusion(POINTER, path.parent) as fusion:
        tool = fusion.create(path)
        assert (tool.status, tool.inputs["Mode"]["CCS_AddString"], list(tool.outputs)) == (
            "Ready",
            ["One", "Two"],
            ["Output", "Other"],
        )
        tool.press("Button")
        assert (tool.get("Mode"), tool.get("Note"), tool.status) == (1, "pressed", "Fake1")
        tool.set("Mode", "One")
        tool.set("Amount", 2)
        assert fusion.lines == ["amount\t1", "amount\t2"]
        for id_, value in (("Mode", 2), ("Mode", "Three"), ("Amount", 3), ("Note", 1.0), ("Input", 1.0)):
            with pytest.raises(ValueError, match=id_):
                tool.set(id_, value)
        with pytest.raises(KeyError):
            tool.set("Unknown", 1)
        tool.reload()
        assert (tool.get("Mode"), tool.get("Amount"), tool.status) == (0, 2, "Ready")


def test_nests(write: Write) -> None:
    """An input lies in the nests that are not ended, and each nest is open or not."""
    nested = """self:BeginControlNest("Outer", "A", true, {})
        self:BeginControlNest("Inner", "B", false, {})
        self:AddInput("Deep", "Deep", { LINKID_DataType = "Number" })
        self:EndControlNest()
        self:EndControlNest()"""
    path = write(Create=CREATE + nested)
    with Fusion(POINTER, path.parent) as fusion:
        tool = fusion.create(path)
        assert tool.nests == {"Outer": True, "Inner": False}
        assert (tool.nest("Deep"), tool.nest("Amount")) == (("Outer", "Inner"), ())


def test_remove(write: Write) -> None:
    """A tool that is deleted hears of it and does nothing after."""
    path = write(head=f"{REGISTER}\nfunction OnRemoveFromFlow() print('bye') end")
    with Fusion(POINTER, path.parent) as fusion:
        tool = fusion.create(path)
        tool.remove()
        assert fusion.lines == ["bye"]
        with pytest.raises(ValueError, match="is gone"):
            tool.process(SMALL)


def test_instances(write: Write) -> None:
    """Globals that a fuse assigns are those of one tool; values are, too."""
    path = write(Process=BEGIN + "print(Mark)\n Mark = Amount:GetValue(req).Value" + SET, Create=CREATE + "Mark = 0")
    with Fusion(POINTER, path.parent) as fusion:
        first, second = fusion.create(path), fusion.create(path)
        first.set("Amount", 2)
        for tool in (first, second, first):
            tool.process(SMALL)
        assert fusion.lines == ["0", "0", "2"]


def test_many_threads(write: Write, plate: NDArray[np.float32]) -> None:
    """A tool gives every thread the frame that it asked for."""
    with Fusion(POINTER, write().parent) as fusion, ThreadPoolExecutor(4) as threads:
        tool = fusion.create(write())
        plates = [plate + index for index in range(12)]
        results = list(threads.map(lambda one: tool.process({"Input": Picture(one)}), plates))
        for one, result in zip(plates, results, strict=True):
            np.testing.assert_array_equal(result.outputs["Output"], inverted(one))


def test_comp(write: Write, tmp_path: Path) -> None:
    """The comp maps paths, and tells whether it renders."""
    tell = "print(self.Comp:MapPath('Fuses:a'), self.Comp:MapPath('Temp:'), self.Comp:GetAttrs('COMPB_Rendering'))"
    path = write(Process=BEGIN + tell + SET)
    with Fusion(APP_STORE, path.parent, tmp_path) as fusion:
        line = fusion.create(path).process(SMALL, rendering=True).lines[0]
        fuses, temporary, rendering = line.split("\t")
        assert (fuses, "/Containers/" in temporary, rendering) == (f"{tmp_path}/a", True, "true")


def test_only_precalc(write: Write) -> None:
    """PreCalcProcess can be asked alone, and is Process where the fuse registered that."""
    path = write(
        head=REGISTER.replace(" }", ", REG_NoPreCalcProcess = true }"), PreCalcProcess="error('no')", Process=PRECALC
    )
    with Fusion(POINTER, path.parent) as fusion:
        result = fusion.create(path).process(SMALL, precalc=True)
        assert (result.error, result.outputs) == (None, {"Output": None, "Other": None})


def test_end_of_states(write: Write, tmp_path: Path) -> None:
    """What a fuse holds is finalized at the end of the context."""
    mark = tmp_path / "mark"
    mark.touch()
    path = write(Create=f"{CREATE} Held = ffi.gc(ffi.new('int[1]'), function() os.remove('{mark}') end)")
    with Fusion(POINTER, path.parent) as fusion:
        fusion.create(path)
        assert mark.exists()
    assert not mark.exists()


@pytest.mark.parametrize("kind", [POINTER, POINTER20, NO_JIT], ids=lambda one: one.label)
def test_lua(write: Write, kind: Kind) -> None:
    """Kinds differ in their Lua, and in whether its compiler is on."""
    path = write(Process=f"{BEGIN} print(jit.version_num, (jit.status())) {SET}")
    with Fusion(kind, path.parent) as fusion:
        version, compiles = fusion.create(path).process(SMALL).lines[0].split("\t")
        assert (version[:3], compiles) == ("200" if kind is POINTER20 else "201", str(kind.jit).lower())


@pytest.mark.parametrize(
    ("use", "error"),
    [
        ("self.AddPage()", "Tool has no AddPage"),
        ("self.SetProgress(0.5)", "Tool:SetProgress is called with a colon"),
        ("image.Width = 3", "Image.Width cannot be assigned"),
        ("self.Comp:GetAttrs('COMPB_Render')", "GetAttrs of COMPB_Render"),
        ("Amount:SetSource(1, 0)", "SetSource needs a Number or a Text"),
        ("Number('a')", "Number of a string"),
        ("Out:Set(req, {})", "Set needs an Image"),
        ("In:GetValue()", "GetValue needs the request"),
        ("image:Crop(new, { CROP_XOffset = 1 })", "Crop with CROP_XOffset 1"),
        ("PixPtr(image)", "PixPtr needs a Pixel"),
        ("self:DoMultiProcess(nil, {}, 1.5, function() end)", "DoMultiProcess takes"),
    ],
)
def test_objects(write: Write, use: str, error: str) -> None:
    """Objects have what Fusion's are known to have, and take what those are known to take."""
    with Fusion(POINTER, write().parent) as fusion:
        result = fusion.create(write(Process=BEGIN + use)).process(SMALL)
        assert error in str(result.error)


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ("{ IMG_Like = image }", "5 4 6"),
        ("{ IMG_Like = image, IMG_Depth = 1 }", "5 4 1"),
        ("{ IMG_Width = 4, IMG_Height = 2, IMG_Depth = 8, IMG_Document = self.Comp }", "4 2 8"),
        ("{ IMG_Depth = 8 }", "an image without 'IMG_Width'"),
        ("{ IMG_Like = image, IMG_Depth = 9 }", "an image of depth 9"),
        ("{ IMG_Like = image, IMG_Dpeth = 8 }", "Image has no attribute IMG_Dpeth"),
    ],
)
def test_new_images(write: Write, attributes: str, found: str) -> None:
    """A new image is like another, or as it is told; a wrong attribute is an error."""
    path = write(
        Process=f"{BEGIN} local a = Image({attributes}) print(a.Width .. ' ' .. a.Height .. ' ' .. a.Depth) {SET}"
    )
    with Fusion(POINTER, path.parent) as fusion:
        result = fusion.create(path).process({"Input": Picture(np.zeros((4, 5, 4), np.uint16))})
        assert found in (result.error or result.lines[0])
        fusion.take_faults()
