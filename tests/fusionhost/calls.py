"""One call of Process or PreCalcProcess: its images, and what came of it."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusionhost.images import Format, Image, Picture
from fusionhost.pixels import Watch

_serials = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Result:
    """What a tool made of a frame.

    outputs: pixels [height, width, 4] by the output's id, top row first, None where nothing was set. lines: what was
    printed meanwhile. progress: what SetProgress got. seconds: how long Process took, without the filling of new
    images. error: the text of the error that ended it. promised, made: the outputs that PreCalcProcess and Process set,
    in that order. jobs: how often DoMultiProcess was called.
    """

    outputs: dict[str, NDArray[np.float32] | None]
    lines: list[str] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None
    promised: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    jobs: int = 0


@dataclass(frozen=True)
class Request:
    """What is asked of a tool."""

    pictures: Mapping[str, Picture | None]
    time: float = 0.0
    abort: threading.Event | None = None
    rendering: bool = False
    precalc: bool = False

    @property
    def status(self) -> str:
        """What `self.Status` says."""
        return "Failed" if self.abort is not None and self.abort.is_set() else "OK"


class Call:
    """What lives as long as one call."""

    def __init__(self, request: Request, watch: Watch, layout: str) -> None:
        """Make images of the pictures."""
        self.request, self.serial = request, next(_serials)
        self.outputs: dict[str, Image] = {}
        self.progress: list[float] = []
        self.jobs = 0
        self.filling = 0.0  # seconds that went into filling new images
        self._watch, self._layout = watch, layout
        self._images: dict[int, Image] = {}
        self._inputs = {
            name: self._keep(Image.of(picture, watch, layout, data=not request.precalc))
            for name, picture in request.pictures.items()
            if picture is not None
        }

    @property
    def record(self) -> dict[str, object]:
        """What the request object says."""
        return {"time": self.request.time, "precalc": self.request.precalc, "serial": self.serial}

    def _keep(self, image: Image) -> int:
        """Number an image."""
        number = next(_serials)
        self._images[number] = image
        return number

    def image(self, number: int) -> Image | None:
        """Return an image of this call."""
        return self._images.get(number)

    def input_record(self, name: str) -> dict[str, object] | None:
        """Return what an input has, None if it is not wired or what it is wired to has no image."""
        number = self._inputs.get(name)
        return None if number is None else self.describe(number)

    def describe(self, number: int) -> dict[str, object]:
        """Return what the Lua side has to know of an image."""
        image = self._images[number]
        form = image.format
        left, bottom, right, top = form.window
        record: dict[str, object] = {
            "id": number, "facts": image.address, "width": form.width, "height": form.height, "depth": form.depth,
            "field": form.field, "proxy_scale": form.proxy_scale, "left": left, "bottom": bottom, "right": right,
            "top": top,
        }  # fmt: skip
        if image.scan_line is not None:
            record["scan_type"] = image.scan_line[1]
        return record

    def new_image(self, wanted: Mapping[str, Any]) -> int:
        """Make the image that a fuse asked for; raises ValueError."""
        began = time.perf_counter()
        form = self._format(wanted)
        if wanted.get("IMG_NoData"):
            return self._keep(Image(form, self._watch, self._layout, data=False))
        if self.request.precalc:
            raise ValueError("pixels in PreCalcProcess; an image there has IMG_NoData")
        number = self._keep(Image.poisoned(form, self._watch, self._layout))
        self.filling += time.perf_counter() - began
        return number

    def copy_of(self, number: int) -> int:
        """Make a copy of an image."""
        source = self._images[number]
        copied = self.new_image({"like": number})
        self._images[copied].pixels[...] = source.pixels
        return copied

    def _format(self, wanted: Mapping[str, Any]) -> Format:
        """Return what a new image is to be like."""
        form = self._like(wanted)
        if "IMG_Depth" in wanted:
            form = replace(form, depth=int(wanted["IMG_Depth"]))
        if "left" in wanted:
            left, bottom, right, top = (int(wanted[side]) for side in ("left", "bottom", "right", "top"))
            form = replace(form, window=(left, bottom, right, top))
        if form.depth not in range(1, 9):
            raise ValueError(f"an image of depth {form.depth}")
        return form

    def _like(self, wanted: Mapping[str, Any]) -> Format:
        """Return what a new image has if it is not told otherwise."""
        like = self.image(wanted["like"]) if "like" in wanted else None
        if like is None and "like" in wanted:
            raise ValueError("IMG_Like of an image that was freed")
        if like is not None and "IMG_Width" not in wanted and "IMG_Height" not in wanted:
            return like.format
        try:
            width, height = int(wanted["IMG_Width"]), int(wanted["IMG_Height"])
            return Format(width, height, 8 if like is None else like.format.depth, (0, 0, width, height))
        except KeyError as error:
            raise ValueError(f"an image without {error}") from None

    def set_output(self, name: str, number: int) -> str | None:
        """Set an output; returns what is wrong with that."""
        image = self.image(number)
        if image is None:
            return f"{name} was set to an image that was freed"
        if name in self.outputs:
            return f"{name} was set twice"
        if image.is_input:
            return f"{name} was set to an input's image"
        if image.has_data is self.request.precalc:
            return f"{name} was set to an image {'with' if image.has_data else 'without'} data"
        self.outputs[name] = image
        image.close()
        return None

    def end(self) -> Iterator[str]:
        """Free all images; says what was written around them."""
        for image in self._images.values():
            yield from image.faults()
            image.free()
