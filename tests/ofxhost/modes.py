"""How real hosts differ, as far as their differences have broken plug-ins."""

from dataclasses import dataclass, replace

from ofxhost import abi

_BASE = frozenset({abi.PROPERTY_SUITE, abi.EFFECT_SUITE, abi.PARAMETER_SUITE})
_MESSAGES, _PROGRESS = {abi.MESSAGE_V1, abi.MESSAGE_V2}, {abi.PROGRESS_V1, abi.PROGRESS_V2}


@dataclass(frozen=True)
class Mode:
    """One host. Each default is the strictest that the standard allows."""

    label: str
    name: str
    api: tuple[int, int] = (1, 4)
    contexts: tuple[str, ...] = (abi.GENERAL, abi.FILTER)  # the first that an effect has too is taken
    depths: tuple[str, ...] = (abi.FLOAT,)
    components: tuple[str, ...] = (abi.RGBA, abi.ALPHA, abi.RGB)
    multi_resolution: bool = True  # whether images have any origin and size
    tiles: bool = False
    background: bool = False
    suites: frozenset[tuple[str, int]] = _BASE | _MESSAGES | _PROGRESS
    unknown: frozenset[str] = frozenset()  # properties that sets of this host do not have
    padding: int = 12  # bytes after each row of an image
    offset: int = 4  # bytes by which an image misses an address that is a multiple of 16
    flipped: bool = False  # whether the first row in memory is the top one: rowBytes is negative
    wired: frozenset[str] | None = None  # clips that pictures reach; None: all
    all_connected: bool = False  # whether every clip says that it is connected
    black_if_unwired: bool = False  # whether an unwired clip gives transparent black
    broken_persistent: bool = False  # whether Message V2 has a null and a garbage pointer
    loads_twice: bool = False
    host_as_context: bool = False  # whether DescribeInContext gets the host's property set as its inArgs
    inverse_scale: bool = False  # whether an image's renderScale is 1 divided by the render's
    pixel_regions: bool = False  # whether clips tell their regions of definition in pixels
    unwired_depth: str = abi.FLOAT
    hidden_stay: bool = False  # whether what is secret or disabled when described stays so
    page: str | None = None
    frames_at_once: int = 1


# No host in particular: all that the standard promises and nothing that it does not.
STRICT = Mode("strict", "corridorkey.test.strict", api=(1, 5))

# Foundry Nuke: float only, bounding boxes anywhere, prefers General; a parameter that is described secret or disabled
# never appears. That duplicate parameters lose the panel and that sets outside InstanceChanged crash is a fault in
# every mode.
NUKE = Mode(
    "nuke",
    "uk.co.thefoundry.nuke",
    components=(abi.RGBA, abi.ALPHA),
    tiles=True,
    padding=64,
    offset=0,
    hidden_stay=True,
)

# DaVinci Resolve: every clip says that it is connected and an unwired one gives no image; Message V2 has broken
# pointers; images are all of the timeline's size; tells its page. That it keeps a number without a range within -1 to 1
# is a fault of such a number in every mode.
RESOLVE = Mode(
    "resolve",
    "DaVinciResolveLite",
    contexts=(abi.FILTER, abi.GENERAL, abi.TRANSITION, abi.GENERATOR),
    depths=(abi.FLOAT, abi.SHORT, abi.BYTE),
    components=(abi.RGBA, abi.ALPHA),
    multi_resolution=False,
    suites=_BASE | _MESSAGES | {abi.PROGRESS_V1},
    padding=0,
    offset=0,
    all_connected=True,
    broken_persistent=True,
    page="Color",
)

# The same, where an unwired clip gives an image that is transparent black.
RESOLVE_BLACK = replace(RESOLVE, label="resolve black", black_if_unwired=True)

# Blackmagic Fusion 9: OFX 1.0, hence no version of API or host; Message V1 only; RGBA only; a proxy's image tells the
# inverse of the render's scale; an unconnected clip has no depth.
FUSION = Mode(
    "fusion",
    "com.blackmagicdesign.Fusion",
    api=(1, 0),
    contexts=(abi.GENERAL, abi.FILTER, abi.TRANSITION, abi.GENERATOR, abi.RETIMER),
    depths=(abi.BYTE, abi.SHORT, abi.FLOAT),
    components=(abi.RGBA,),
    suites=_BASE | {abi.MESSAGE_V1, abi.PROGRESS_V1},
    unknown=frozenset({
        "OfxPropAPIVersion", "OfxPropVersion", "OfxPropVersionLabel", "OfxPropHostOSHandle",
        "OfxImagePropUniqueIdentifier", "OfxImageEffectPropRenderQualityDraft",
        "OfxImageEffectPropSequentialRenderStatus", "OfxImageEffectPropInteractiveRenderStatus",
        "OfxImageEffectHostPropNativeOrigin", "OfxPropIsInteractive",
    }),
    padding=16,
    inverse_scale=True,
    unwired_depth=abi.NO_DEPTH,
)  # fmt: skip

# MLT (Shotcut, Kdenlive): Filter only, rows from the top in memory, Load and Unload to look and Load again to work,
# the host's own properties as inArgs of DescribeInContext, nothing but Source wired, in the background.
MLT = Mode(
    "mlt",
    "MLT",
    api=(1, 5),
    contexts=(abi.FILTER,),
    depths=(abi.BYTE, abi.SHORT, abi.HALF, abi.FLOAT),
    components=(abi.RGBA, abi.RGB),
    multi_resolution=False,
    background=True,
    padding=0,
    offset=0,
    flipped=True,
    wired=frozenset({"Source"}),
    loads_twice=True,
    host_as_context=True,
)

# Boris FX Silhouette: more than one frame at once in one process; RGBA only.
SILHOUETTE = Mode(
    "silhouette",
    "com.silhouettefx.silhouette",
    contexts=(abi.GENERAL, abi.FILTER, abi.GENERATOR),
    depths=(abi.BYTE, abi.HALF, abi.FLOAT),
    components=(abi.RGBA,),
    frames_at_once=8,
)

# Natron 2: everything that the standard has.
NATRON = Mode(
    "natron",
    "fr.inria.Natron",
    contexts=(abi.GENERAL, abi.FILTER, abi.GENERATOR, abi.TRANSITION, abi.PAINT, abi.RETIMER),
    depths=(abi.FLOAT, abi.SHORT, abi.BYTE),
    tiles=True,
    padding=0,
    offset=0,
)

# Vegas: images of one size, Message V2, no tiles.
VEGAS = Mode(
    "vegas",
    "com.vegascreativesoftware.vegas",
    contexts=(abi.FILTER, abi.GENERAL, abi.GENERATOR, abi.TRANSITION, abi.PAINT, abi.RETIMER),
    depths=(abi.BYTE, abi.FLOAT),
    components=(abi.NO_COMPONENTS, abi.RGBA, abi.ALPHA),
    multi_resolution=False,
    padding=0,
)

MODES = (STRICT, NUKE, RESOLVE, RESOLVE_BLACK, FUSION, MLT, SILHOUETTE, NATRON, VEGAS)
