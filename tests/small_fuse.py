"""A small fuse, which inverts red, as a text to be made wrong in one place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusionhost import POINTER, Fusion, Kind, Picture, Tool

Write = Callable[..., Path]
"""Writes the small fuse with something else in it."""

REGISTER = 'FuRegisterClass("Fake", CT_Tool, { REGS_Name = "Fake" })'
CREATE = """
    In = self:AddInput("Input", "Input", { LINKID_DataType = "Image", LINK_Main = 1 })
    More = self:AddInput("More", "More", { LINKID_DataType = "Image", LINK_Main = 2, INP_Required = false })
    Amount = self:AddInput("Amount", "Amount", { LINKID_DataType = "Number", INPID_InputControl = "SliderControl",
        INP_Default = 1, INP_MinAllowed = 0, INP_MaxAllowed = 2, INP_DoNotifyChanged = true })
    Mode = self:AddInput("Mode", "Mode", { LINKID_DataType = "Number", INPID_InputControl = "ComboControl",
        { CCS_AddString = "One" }, { CCS_AddString = "Two" } })
    Note = self:AddInput("Note", "Note", { LINKID_DataType = "Text", INPID_InputControl = "TextEditControl" })
    Button = self:AddInput("Button", "Button", { LINKID_DataType = "Number", INPID_InputControl = "ButtonControl",
        INP_DoNotifyChanged = true })
    StatusLine = self:AddInput("Ready", "StatusLine", { LINKID_DataType = "Text", INPID_InputControl = "LabelControl" })
    kept, asked = nil, nil
    Out = self:AddOutput("Output", "Output", { LINKID_DataType = "Image", LINK_Main = 1 })
    Other = self:AddOutput("Other", "Other", { LINKID_DataType = "Image" })
"""
NEW = "Image({ IMG_Like = image, IMG_Depth = IMDP_128bitFloat })"
PROMISE = "Image({ IMG_Like = image, IMG_Depth = IMDP_128bitFloat, IMG_NoData = true })"
PRECALC = f"local image = In:GetValue(req)\n Other:Set(req, {PROMISE})\n Out:Set(req, {PROMISE})"
BEGIN = f"local image, one = In:GetValue(req), Pixel()\n local new = {NEW}\n local at = PixPtr(image, one)\n"
SET = "\n Other:Set(req, new)\n Out:Set(req, new)"
INIT = "function() pixel = Pixel(); from, to = PixPtr(source, pixel), PixPtr(target, pixel) end"
ROW = """function(y)
    from:GotoXY(0, y)
    to:GotoXY(0, y)
    for _ = 1, width do
        from:GetNextPixel(pixel)
        pixel.R = amount - pixel.R
        to:SetNextPixel(pixel)
    end
end"""
GIVEN = "{ source = image, target = new, width = image.Width, amount = Amount:GetValue(req).Value }"
WORK = f"self:DoMultiProcess({INIT}, {GIVEN}, image.Height, {ROW})"
COPY = "image:Crop(new, { CROP_XOffset = 0, CROP_YOffset = 0 })"
GOOD = BEGIN + WORK + SET
SMALL = {"Input": Picture(np.zeros((4, 5, 4), np.float32))}


def write(folder: Path, **other: str) -> Path:
    """Write the fuse, with other code in place of the functions that are named; `head` is before them."""
    parts = {
        "head": REGISTER,
        "Create": CREATE,
        "PreCalcProcess": PRECALC,
        "Process": GOOD,
        "NotifyChanged": "",
    } | other
    arguments = {"Create": "", "NotifyChanged": "inp, param, time"}
    functions = [f"function {name}({arguments.get(name, 'req')})\n{parts[name]}\nend" for name in list(parts)[1:]]
    path = folder / "Fake.fuse"
    path.write_text("\n".join([parts["head"], *functions]))
    return path


def inverted(plate: NDArray[np.float32], amount: float = 1.0) -> NDArray[np.float32]:
    """Return what the fuse makes of a plate."""
    return np.concatenate([np.float32(amount) - plate[..., :1], plate[..., 1:]], axis=2)


def faults(path: Path, act: Callable[[Tool], object] = Tool.remove, kind: Kind = POINTER) -> str:
    """Return what a fuse does wrong while it is created, renders, and something is done with it."""
    with Fusion(kind, path.parent) as fusion:
        tool = fusion.create(path)
        tool.process(SMALL)
        act(tool)
        return "; ".join(fusion.take_faults())


def shown(path: Path, picture: Picture, kind: Kind = POINTER) -> NDArray[np.float32]:
    """Return what a fuse makes of a picture without doing anything wrong."""
    with Fusion(kind, path.parent) as fusion:
        result = fusion.create(path).process({"Input": picture})
        assert result.error is None
        output = result.outputs["Output"]
        assert output is not None
        return output
