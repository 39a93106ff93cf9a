"""Which working space auto means in a host, and which are linear."""

import ctypes

import pytest

import native
from corridorkey_models import color
from corridorkey_models.params import PARAMS

CHOICES = {param.name: param.choices for param in PARAMS}
SPACES, OUTPUT_SPACES = CHOICES["working_space"], CHOICES["output_space"]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The code, as the plug-in has it."""
    target = tmp_path_factory.mktemp("spaces") / "spaces.so"
    source = native.BRIDGE / "plugin" / "spaces.c"
    return ctypes.CDLL(str(native.compile_c([source], target, "-shared", "-fPIC")))


@pytest.mark.parametrize(
    ("host", "page", "space"),
    [
        ("uk.co.thefoundry.nuke", None, "linear_rec709"),
        ("uk.co.thefoundry.nukex", "", "linear_rec709"),
        ("fr.inria.Natron", None, "linear_rec709"),
        ("com.blackmagicdesign.Fusion", None, "linear_rec709"),
        ("com.blackmagicdesign.FusionStudio", "Edit", "linear_rec709"),
        ("DaVinciResolve", None, "rec709_g24"),
        ("DaVinciResolveLite", "", "rec709_g24"),
        ("DaVinciResolveLite", "Edit", "rec709_g24"),
        ("DaVinciResolveStudio", "Color", "rec709_g24"),
        ("DaVinciResolveStudio", "Fusion", "linear_rec709"),
        ("com.sonycreativesoftware.vegas", None, "rec709_g24"),
        ("com.vegascreativesoftware.vegas", None, "rec709_g24"),
        ("MLT", None, "rec709_g24"),
    ],
)
def test_hosts_that_are_known(code: ctypes.CDLL, host: str, page: str | None, space: str) -> None:
    """Compositors are linear; editors are display-referred, but for Resolve's Fusion page."""
    found = code.ck_host_space(host.encode(), None if page is None else page.encode())
    assert SPACES[found] == space


@pytest.mark.parametrize(
    "host", [None, "", "uk.co.thefoundry.hiero", "com.silhouettefx.silhouette", "Resolve", "Natron"]
)
def test_hosts_that_are_not(code: ctypes.CDLL, host: str | None) -> None:
    """No space is guessed for any other host."""
    assert code.ck_host_space(None if host is None else host.encode(), b"Fusion") == -1


def test_linear_spaces_are_those_without_a_curve(code: ctypes.CDLL) -> None:
    """A space is linear if decoding leaves a value's ratio to another as it is."""
    plain = {name for name, space in color.SPACES.items() if space.decode is color.SPACES["linear_rec709"].decode}
    found = {SPACES[space] for space in range(len(SPACES)) if code.ck_space_is_linear(space)}
    assert found == plain
    assert not code.ck_space_is_linear(-1)
    assert not code.ck_space_is_linear(len(SPACES))


@pytest.mark.parametrize("working", SPACES)
def test_the_foreground_comes_back_as_asked(code: ctypes.CDLL, working: str) -> None:
    """`same` is the working space, any other word is itself."""
    for index, output in enumerate(OUTPUT_SPACES):
        found = code.ck_foreground_space(SPACES.index(working), index)
        assert SPACES[found] == (working if output == "same" else output)


@pytest.mark.parametrize("output", [-1, 99])
def test_an_output_space_that_is_none_is_same(code: ctypes.CDLL, output: int) -> None:
    """A choice out of range, as a newer project may hold, changes no encoding."""
    assert code.ck_foreground_space(3, output) == 3
