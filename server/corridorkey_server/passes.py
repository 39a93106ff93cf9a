"""The four passes of a keyed range: straight foreground, matte, premultiplied, and a picture to look at."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from corridorkey_models import __version__, color
from corridorkey_models.keyed import KEYING_VERSION, FrameKeyer, Keyed, Pixels
from corridorkey_models.params import Params
from corridorkey_models.view import preview
from corridorkey_models.watch import Watch

from .footage.exr import ExrOptions, read_exr_header, write_exr
from .footage.picture import place
from .footage.sequence import Sequence
from .footage.stills import read_png_text, write_png8
from .footage.tags import INTEROP_IDS
from .loaded import Loaded, key_loaded
from .targets import Read, Source

PASSES = ("fg", "matte", "processed", "comp")
HASH = "corridorkey/hash"
"""EXR attribute that tells from what a frame was keyed."""


@dataclass(frozen=True)
class Passes:
    """See `targets.Target`.

    Attributes:
        folder: gets one folder a pass.
        matte_channels: names of the matte's channels: ("A",), or ("R", "G", "B") for programs that show no lone alpha.
    """

    folder: Path
    exr: ExrOptions = field(default_factory=ExrOptions)
    matte_channels: tuple[str, ...] = ("A",)

    @property
    def folders(self) -> tuple[Path, ...]:
        """See `targets.Target`."""
        return tuple(self.folder / kind for kind in PASSES)

    def paths(self, plate: Sequence, frame: int) -> tuple[Path, ...]:
        """See `targets.Target`."""
        return tuple(self.path(kind, plate, frame) for kind in PASSES)

    def path(self, kind: str, plate: Sequence, frame: int) -> Path:
        """Return the file of one pass of one frame."""
        number = "" if plate.is_still else f".{frame:0{plate.padding}d}"
        return self.folder / kind / f"{plate.name}{number}.{'png' if kind == 'comp' else 'exr'}"

    def settle(self, params: Params) -> Params:
        """See `targets.Target`; files are linear."""
        is_same = params.output_space == "same"
        return replace(params, output_space=color.linear_space(params.working_space)) if is_same else params

    def read(self, source: Source) -> Read | None:
        """See `targets.Target`; files are told apart by their bytes, so that a keyed frame is not decoded."""
        digest = self._digest(source)
        texts = (_text(path) for path in self.paths(source.inputs.plate, source.frame))
        if not source.is_wanted_anew and all(text.get(HASH) == digest for text in texts):
            return None
        return Read(source, digest, source.read())

    def _digest(self, source: Source) -> str:
        facts = {
            "keying": KEYING_VERSION,
            "model": source.identity,
            "params": asdict(source.params),
            "files": [asdict(self.exr), self.matte_channels],
            "sources": {name: files.fingerprint(source.frame).hex() for name, files in source.inputs.named()},
        }
        return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def key(self, loaded: Loaded, keyer: FrameKeyer, params: Params, watch: Watch) -> Keyed:
        """See `targets.Target`."""
        return key_loaded(loaded, keyer, params, watch)

    def write(self, read: Read, keyed: Keyed) -> None:
        """See `targets.Target`."""
        content, params = read.content, read.source.params
        foreground, matte = (
            place(part, content.window, content.plate.data_window) for part in (keyed.foreground, keyed.matte)
        )
        alpha = matte[..., None]
        interop = INTEROP_IDS.get(params.output_space)
        self._write_exr(read, "fg", (foreground, ("R", "G", "B")), interop)
        mattes = np.repeat(alpha, len(self.matte_channels), axis=2)
        self._write_exr(read, "matte", (mattes, self.matte_channels), "data")
        processed = np.concatenate([foreground * alpha, alpha], axis=2)
        self._write_exr(read, "processed", (processed, ("R", "G", "B", "A")), interop)
        comp = place(preview(keyed, content.pixels, params), content.window, content.plate.display_window)
        path = self.path("comp", read.source.inputs.plate, read.source.frame)
        write_png8(path, comp, {HASH: read.digest})

    def _write_exr(self, read: Read, kind: str, picture: tuple[Pixels, tuple[str, ...]], interop: str | None) -> None:
        params = read.source.params
        metadata = {
            HASH: read.digest,
            "corridorkey/version": __version__,
            "corridorkey/pass": kind,
            "corridorkey/params": json.dumps(asdict(params)),
            "corridorkey/working_space": params.output_space,
        }
        pixels, channels = picture
        path = self.path(kind, read.source.inputs.plate, read.source.frame)
        like = read.content.plate
        write_exr(path, pixels, channels, like=like, options=self.exr, metadata=metadata, interop_id=interop)


def _text(path: Path) -> Mapping[str, object]:
    """Return the attributes of a result, none if it is not there or not whole."""
    return read_png_text(path) if path.suffix == ".png" else read_exr_header(path) or {}
