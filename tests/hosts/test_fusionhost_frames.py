"""A frame in the fake Fusion: what a tool is asked, with what there is or is not, and what is told of its work."""

import threading

import pytest

from fusionhost import POINTER, Fusion
from small_fuse import BEGIN, PROMISE, SET, SMALL, Write


def test_abort_and_progress(write: Write) -> None:
    """A tool sees that it is to stop while it works, and its progress is noted."""
    wait = "self:SetProgress(0.5)\n while self.Status == 'OK' do end\n print(self.Status)"
    path, abort = write(Process=BEGIN + wait), threading.Event()
    timer = threading.Timer(0.1, abort.set)
    with Fusion(POINTER, path.parent) as fusion:
        timer.start()
        result = fusion.create(path).process(SMALL, abort=abort)
        assert (result.lines, result.progress, set(result.outputs.values())) == (["Failed"], [0.5], {None})
        assert result.jobs == 0
        assert result.seconds > 0
    timer.join()


@pytest.mark.parametrize(
    ("outputs", "fault"), [("", ""), ("Other Output", ""), ("Output", "PreCalcProcess set 1 of 2 outputs")]
)
def test_wired_to_nothing(write: Write, outputs: str, fault: str) -> None:
    """A tool is asked for a frame that its needed input has no image of: it promises nothing, or all."""
    promise = "Image({ IMG_Width = 2, IMG_Height = 2, IMG_NoData = true })"
    names = {"Other": "Other", "Output": "Out"}
    acts = [f"{names[name]}:Set(req, {promise})" for name in outputs.split()]
    path = write(PreCalcProcess="\n".join(acts), Process="print(In:GetValue(req), In:GetConnectedOutput() ~= nil)")
    with Fusion(POINTER, path.parent) as fusion:
        result = fusion.create(path).process({"Input": None})
        assert (result.error, result.lines, result.made) == (None, ["nil\ttrue"], ())
        assert result.promised == tuple(outputs.split())
        assert "; ".join(fusion.take_faults()) == fault


def test_order_of_outputs(write: Write) -> None:
    """What was promised and what was made are told in the order in which they were set."""
    turned = f"local image = In:GetValue(req)\n Out:Set(req, {PROMISE})\n Other:Set(req, {PROMISE})"
    path = write(PreCalcProcess=turned)
    with Fusion(POINTER, path.parent) as fusion:
        result = fusion.create(path).process(SMALL)
        assert (result.promised, result.made) == (("Output", "Other"), ("Other", "Output"))


def test_unwired(write: Write) -> None:
    """A tool whose needed input is not wired fails without being asked, one that is not needed gives nil."""
    path = write(Process=BEGIN + "print(More:GetValue(req), req.Time)" + SET)
    with Fusion(POINTER, path.parent) as fusion:
        tool = fusion.create(path)
        assert "cannot get Parameter for Input" in str(tool.process({}).error)
        assert tool.process(SMALL, time=3.5).lines == ["nil\t3.5"]
