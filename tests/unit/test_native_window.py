"""What the network sees of a host's picture: the display window in pixels, from what hosts tell."""

import ctypes
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import native

Corners = tuple[int, int, int, int]
Region = tuple[float, float, float, float]

HD: Region = (0, 0, 1920, 1080)
INFINITE: Region = (-(2.0**31), -(2.0**31), 2.0**31 - 1, 2.0**31 - 1)


class Box(ctypes.Structure):
    """ck_box."""

    _fields_ = [(name, ctypes.c_int) for name in ("x1", "y1", "x2", "y2")]


class RegionD(ctypes.Structure):
    """ck_region_d."""

    _fields_ = [(name, ctypes.c_double) for name in ("x1", "y1", "x2", "y2")]


class Geometry(ctypes.Structure):
    """ck_geometry."""

    _fields_ = [
        ("extent", ctypes.POINTER(RegionD)),
        ("defined", ctypes.POINTER(RegionD)),
        ("scale_x", ctypes.c_double),
        ("scale_y", ctypes.c_double),
        ("pixel_aspect", ctypes.c_double),
        ("bounds", Box),
        ("overscan", ctypes.c_int),
        ("one_size", ctypes.c_int),
    ]


@dataclass(frozen=True)
class Told:
    """What a host tells; by default of an HD frame that is as large as the project."""

    extent: Region | None = HD
    defined: Region | None = HD
    bounds: Corners = (0, 0, 1920, 1080)
    scale: tuple[float, float] = (1, 1)
    aspect: float = 1
    overscan: bool = False
    one_size: bool = False


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The code, as the plug-in has it."""
    files = [native.BRIDGE / "plugin" / name for name in ("window.c", "pixels.c")]
    target = tmp_path_factory.mktemp("window") / "window.so"
    library = ctypes.CDLL(str(native.compile_c(files, target, "-shared", "-fPIC")))
    library.ck_display_window.restype = Box
    return library


def window(code: ctypes.CDLL, told: Told) -> Corners:
    """Return the display window."""
    regions = [ctypes.pointer(RegionD(*region)) if region else None for region in (told.extent, told.defined)]
    geometry = Geometry(*regions, *told.scale, told.aspect, Box(*told.bounds), told.overscan, told.one_size)
    box = code.ck_display_window(ctypes.byref(geometry))
    return box.x1, box.y1, box.x2, box.y2


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(Told(), (0, 0, 1920, 1080), id="as large as the project"),
        pytest.param(
            Told(defined=(-96, -54, 2016, 1134), bounds=(-96, -54, 2016, 1134)), (0, 0, 1920, 1080), id="larger"
        ),
        pytest.param(Told(defined=(300, 200, 700, 900), bounds=(300, 200, 700, 900)), (0, 0, 1920, 1080), id="smaller"),
        pytest.param(
            Told(defined=(3000, 0, 3400, 90), bounds=(3000, 0, 3400, 90)), (0, 0, 1920, 1080), id="beside the format"
        ),
        pytest.param(Told(bounds=(0, 0, 960, 540), scale=(0.5, 0.5)), (0, 0, 960, 540), id="a proxy of half the size"),
        pytest.param(
            Told(defined=(301, 200, 700, 901), bounds=(150, 100, 350, 451), scale=(0.5, 0.5)),
            (0, 0, 960, 540),
            id="a proxy with a smaller picture, rounded outwards",
        ),
        pytest.param(
            Told(extent=(0, 0, 2048, 1743), defined=(0, 0, 2048, 1743), bounds=(0, 0, 1024, 1743), aspect=2),
            (0, 0, 1024, 1743),
            id="anamorphic",
        ),
        pytest.param(
            Told((0, 0, 2048, 1743), (0, 0, 2048, 1743), (0, 0, 512, 872), (0.5, 0.5), aspect=2),
            (0, 0, 512, 872),
            id="anamorphic proxy",
        ),
        pytest.param(
            Told((0, 0, 2048, 1743), (200, 100, 600, 300), (50, 50, 150, 150), (0.5, 0.5), aspect=2),
            (0, 0, 512, 872),
            id="a smaller picture in an anamorphic proxy",
        ),
        pytest.param(Told(extent=(100, 50, 300, 250)), (100, 50, 300, 250), id="an extent with an offset"),
        pytest.param(Told(extent=(-0.5, -1.5, 10.49, 10.5)), (0, -1, 10, 11), id="halves go up"),
        pytest.param(Told(aspect=0), (0, 0, 1920, 1080), id="no pixel aspect"),
        pytest.param(Told(aspect=-1), (0, 0, 1920, 1080), id="a negative pixel aspect"),
        pytest.param(Told(aspect=math.nan), (0, 0, 1920, 1080), id="a pixel aspect that is no number"),
        pytest.param(Told(defined=None), (0, 0, 1920, 1080), id="no region of definition"),
        pytest.param(Told(defined=None, bounds=(5, 5, 9, 9)), (0, 0, 1920, 1080), id="no region, another image"),
    ],
)
def test_the_window_is_the_projects_extent(code: ctypes.CDLL, told: Told, expected: Corners) -> None:
    """Whatever part of it the plate fills, and whatever the proxy and the pixels' shape, the frame is the project's."""
    assert window(code, told) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            Told(defined=(-96, -54, 2016, 1134), bounds=(-96, -54, 2016, 1134)), (-96, -54, 2016, 1134), id="larger"
        ),
        pytest.param(Told(defined=(300, 200, 700, 900), bounds=(300, 200, 700, 900)), (0, 0, 1920, 1080), id="smaller"),
        pytest.param(
            Told(defined=(-96, 200, 700, 900), bounds=(-96, 200, 700, 900)), (-96, 0, 1920, 1080), id="out on one side"
        ),
        pytest.param(Told(defined=(0, 0, 0, 0), bounds=(0, 0, 0, 0)), (0, 0, 1920, 1080), id="an empty plate"),
        pytest.param(
            Told(extent=(50, 50, 90, 90), defined=(0, 0, 0, 0), bounds=(0, 0, 0, 0)),
            (50, 50, 90, 90),
            id="an empty plate beside the frame",
        ),
    ],
)
def test_overscan_adds_the_plate(code: ctypes.CDLL, told: Told, expected: Corners) -> None:
    """With overscan all of the plate is seen, and the frame no less."""
    asked = Told(told.extent, told.defined, told.bounds, told.scale, told.aspect, overscan=True)
    assert window(code, asked) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(Told(None, (-9, 0, 100, 50), (-9, 0, 100, 50)), (-9, 0, 100, 50), id="the region of definition"),
        pytest.param(Told(None, (-9, 0, 100, 50), (-10, 0, 101, 50)), (-9, 0, 100, 50), id="almost the image"),
        pytest.param(Told(None, None, (7, 8, 90, 91)), (7, 8, 90, 91), id="the image"),
    ],
)
def test_without_an_extent_the_plate_is_the_frame(code: ctypes.CDLL, told: Told, expected: Corners) -> None:
    """A host that tells of no project keys its plate."""
    assert window(code, told) == expected


BOUNDS: Corners = (11, 12, 651, 372)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(Told(bounds=BOUNDS, scale=(3, 3)), id="Fusion, scrubbing"),
        pytest.param(Told(bounds=BOUNDS, scale=(1 / 3, 1 / 3)), id="Fusion, the image's scale"),
        pytest.param(Told(bounds=BOUNDS), id="Resolve's proxy of another size at scale 1"),
        pytest.param(Told(bounds=BOUNDS, one_size=True, defined=None), id="a host with images of one size"),
        pytest.param(Told(defined=INFINITE, bounds=BOUNDS), id="an infinite region of definition"),
        pytest.param(Told(defined=(-math.inf, 0, math.inf, 9), bounds=BOUNDS), id="infinities"),
        pytest.param(Told(defined=(math.nan, 0, 9, 9), bounds=BOUNDS), id="no number"),
        pytest.param(Told(extent=INFINITE, defined=None, bounds=BOUNDS), id="an infinite extent"),
        pytest.param(Told(extent=(0, 0, 32769, 9), defined=None, bounds=BOUNDS), id="wider than frames may be"),
        pytest.param(Told(extent=(0, 0, 9, 32769), defined=None, bounds=BOUNDS), id="higher than frames may be"),
        pytest.param(Told(extent=(0, 0, 0.4, 9), defined=None, bounds=BOUNDS), id="an empty extent"),
        pytest.param(Told(extent=(9, 9, 0, 0), defined=None, bounds=BOUNDS), id="an extent that is inside out"),
        *(
            pytest.param(Told(defined=None, bounds=BOUNDS, scale=scale), id=f"scale {scale}")
            for scale in ((0, 1), (1, 0), (-1, 1), (8.01, 1), (math.inf, 1), (1, math.nan))
        ),
        pytest.param(Told(defined=(14, 12, 651, 372), bounds=BOUNDS), id="off on the left"),
        pytest.param(Told(defined=(11, 9, 651, 372), bounds=BOUNDS), id="off at the bottom"),
        pytest.param(Told(defined=(11, 12, 654, 372), bounds=BOUNDS), id="off on the right"),
        pytest.param(Told(defined=(11, 12, 651, 369), bounds=BOUNDS), id="off at the top"),
    ],
)
def test_numbers_that_do_not_fit_fall_back_on_the_image(code: ctypes.CDLL, told: Told) -> None:
    """Where the host's numbers cannot be right, what is there is keyed, with overscan as without."""
    assert window(code, told) == BOUNDS


def test_the_largest_frame_is_taken(code: ctypes.CDLL) -> None:
    """A frame of the protocol's limit is no mistake, nor is the largest scale."""
    assert window(code, Told(extent=(0, 0, 32768, 32768), defined=None)) == (0, 0, 32768, 32768)
    assert window(code, Told(extent=(0, 0, 10, 10), defined=None, scale=(8, 8))) == (0, 0, 80, 80)


numbers = st.one_of(st.floats(), st.floats(-5000, 5000), st.sampled_from([-(2.0**31), 2.0**31 - 1, 0.0]))
regions = st.one_of(st.none(), st.tuples(numbers, numbers, numbers, numbers))
ints = st.integers(-(2**31), 2**31 - 1)


@given(
    told=st.builds(
        Told,
        regions,
        regions,
        st.tuples(ints, ints, ints, ints),
        st.tuples(numbers, numbers),
        numbers,
        st.booleans(),
        st.booleans(),
    )
)
def test_any_numbers_give_a_frame_or_the_bounds(code: ctypes.CDLL, told: Told) -> None:
    """Nothing that a host can say leads to a frame that is empty or too large, unless its image is."""
    x1, y1, x2, y2 = found = window(code, told)
    assert found == told.bounds or (0 < x2 - x1 <= 32768 and 0 < y2 - y1 <= 32768)
