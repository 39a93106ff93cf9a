"""The file that a host reads back: one OpenEXR a frame with straight foreground, alpha and the hint that was used.

`ckey key --keyed` and the clerk write the same one. Its attributes say what it was keyed with: hosts compare them
with their knobs, so their names are permanent.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import xxhash

from corridorkey_models import __version__, color
from corridorkey_models.errors import InputError
from corridorkey_models.fingerprint import settings_hash, settings_text
from corridorkey_models.keyed import KEYING_VERSION, FrameKeyer, Keyed, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .footage.exr import ExrOptions, read_exr_header, write_exr
from .footage.patterns import Pattern
from .footage.picture import place
from .footage.sequence import Sequence
from .footage.tags import INTEROP_IDS
from .loaded import Loaded, key_loaded
from .targets import Read, Source

HINT_LAYER = "ck_hint"
"""Layer of the used hint, beside R, G, B and A."""

COMPRESSION = "zips"
"""Lines by themselves: hosts read them back one by one while an artist scrubs."""

PREFIX = "corridorkey/"
"""How the names of a keyed file's own attributes begin."""

_CHANNELS = ("R", "G", "B", "A", f"{HINT_LAYER}.alpha")


def file_space(params: Params) -> str:
    """Return the working space of a keyed file, which is linear.

    Raises:
        InputError: the foreground would come back encoded, which a host would read as light.
    """
    space = params.working_space if params.output_space == "same" else params.output_space
    if color.linear_space(space) != space:
        raise InputError(
            f"working_space is {space}, which is not linear; linearize the plate and name its linear space, "
            "or choose a linear output_space."
        )
    return space


def digest(loaded: Loaded, params: Params, identity: str, half: bool) -> str:
    """Return 32 hexadecimal digits that name everything a file's pixels follow from: pixels, model, parameters.

    Which program brought the pixels makes no difference.
    """
    facts = {
        "keying": KEYING_VERSION,
        "model": identity,
        "settings": settings_text(params),
        "half": half,
        "windows": [asdict(loaded.plate.data_window), asdict(loaded.plate.display_window)],
        "aspect": loaded.plate.pixel_aspect,
        "pixels": {name: None if plane is None else _hash(plane) for name, plane in _planes(loaded, params).items()},
    }
    return xxhash.xxh3_128_hexdigest(json.dumps(facts, sort_keys=True).encode())


def _planes(loaded: Loaded, params: Params) -> dict[str, Pixels | None]:
    """Return what keying looks at."""
    colors = 4 if params.hint_source == "source_alpha" else 3
    masks = {name: mask if mask is None else mask.astype(np.float32, copy=False) for mask, name in loaded.masks.named()}
    return {"plate": loaded.pixels[..., :colors], "hint": loaded.hint, **masks}


def _hash(plane: Pixels) -> str:
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(plane).data)


def is_keyed(path: Path, wanted: Mapping[str, str]) -> bool:
    """Whether a whole file is there that was written with these facts; see `write_keyed`.

    What a file does not say of itself may be anything, but for its hash: `ckey key` knows of no upstream.
    """
    attributes = read_exr_header(path) or {}
    said = {name: attributes.get(f"{PREFIX}{name}", value) for name, value in wanted.items()}
    return f"{PREFIX}hash" in attributes and said == dict(wanted)


def key_for_file(loaded: Loaded, keyer: FrameKeyer, params: Params, watch: Watch) -> Keyed:
    """Return what `loaded.key_loaded` returns, with the hint that was used."""
    return key_loaded(loaded, keyer, replace(params, output="hint"), watch)


def write_keyed(
    path: Path,
    loaded: Loaded,
    keyed: Keyed,
    params: Params,
    half: bool,
    facts: Mapping[str, str],
) -> None:
    """Write a frame over the plate's data window, whole or not at all.

    Args:
        keyed: over the frame's window, as `key_for_file` returns it.
        facts: more attributes, by their name without `PREFIX`: model, hash, and what else `is_keyed` is to compare.

    Raises:
        InputError: `path` cannot be written, or `file_space` refuses.
        ResourceError: the disk is full or failed.
    """
    space, text = file_space(params), settings_text(params)
    assert keyed.hint is not None, "a frame for a file is keyed with its hint"
    layers = [keyed.foreground, keyed.matte[..., None], keyed.hint[..., None]]
    pixels = place(np.concatenate(layers, axis=2), loaded.window, loaded.plate.data_window)
    own = {
        "version": __version__,
        "pass": "keyed",
        "params": json.dumps({name: value for name, value in asdict(params).items() if name != "output"}),
        "params_hash": settings_hash(text),
        "settings": text,
        "working_space": space,
    }
    # A plate that was keyed itself says so of itself, which does not hold for what is made from it.
    foreign = {name: value for name, value in loaded.plate.metadata.items() if not name.startswith(PREFIX)}
    like = replace(loaded.plate, metadata=foreign)
    metadata = {f"{PREFIX}{name}": value for name, value in (own | dict(facts)).items()}
    options = ExrOptions(COMPRESSION, half)
    write_exr(path, pixels, _CHANNELS, like=like, options=options, metadata=metadata, interop_id=INTEROP_IDS[space])


@dataclass(frozen=True)
class KeyedFiles:
    """See `targets.Target`: one file a frame, named by a pattern."""

    pattern: Pattern
    half: bool = True

    @property
    def folders(self) -> tuple[Path, ...]:
        """See `targets.Target`."""
        return (self.pattern.folder,)

    def paths(self, plate: Sequence, frame: int) -> tuple[Path, ...]:  # noqa: ARG002 (the pattern says all)
        """See `targets.Target`."""
        return (self.pattern.path(frame),)

    def settle(self, params: Params) -> Params:
        """See `targets.Target`; nothing is changed, since hosts compare the parameters with their knobs."""
        file_space(params)
        return params

    def read(self, source: Source) -> Read | None:
        """See `targets.Target`; frames are told apart by their pixels, whichever program brings them."""
        content = source.read()
        wanted = digest(content, source.params, source.identity, self.half)
        if not source.is_wanted_anew and is_keyed(self.pattern.path(source.frame), {"hash": wanted}):
            return None
        return Read(source, wanted, content)

    def key(self, loaded: Loaded, keyer: FrameKeyer, params: Params, watch: Watch) -> Keyed:
        """See `targets.Target`."""
        return key_for_file(loaded, keyer, params, watch)

    def write(self, read: Read, keyed: Keyed) -> None:
        """See `targets.Target`."""
        facts = {"model": read.source.identity, "hash": read.digest}
        write_keyed(self.pattern.path(read.source.frame), read.content, keyed, read.source.params, self.half, facts)
