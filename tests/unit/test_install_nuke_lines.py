"""Our lines in an artist's init.py: there once, gone without a trace, and no byte else is changed."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from corridorkey_models.errors import InputError, ResourceError
from corridorkey_server.install_nuke import uninstall
from small_gizmo import BLOCK, LINE, Version, contents, make_version, script


@pytest.fixture
def first(tmp_path: Path) -> Version:
    """Version 1.0, with a module that the next one has no more."""
    return make_version(tmp_path / "first", "1.0", "python/corridorkey_nuke/former.py")


@pytest.fixture
def second(tmp_path: Path) -> Version:
    """Version 2.0."""
    return make_version(tmp_path / "second", "2.0")


@pytest.fixture
def nuke(tmp_path: Path) -> Path:
    """A folder of Nuke that is not there yet."""
    return tmp_path / "home" / ".nuke"


def test_the_line_makes_nuke_load_it(first: Version, nuke: Path) -> None:
    """What was written is Python that gives Nuke the folder."""
    first.install(nuke)
    program = "import sys, types\nnuke = sys.modules['nuke'] = types.ModuleType('nuke')\nnuke.pluginAddPath = print\n"
    ran = subprocess.run(
        [sys.executable, "-c", program + (nuke / "init.py").read_text()], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "./CorridorKey\n"


TEXTS = [
    b"",
    b"\n",
    b"import os\n",
    b"import os",
    b"import os\r\nimport sys\r\n",
    b"import os\r\nimport sys",
    b"\xef\xbb\xbfimport os\n\n\n",
    b"# -*- coding: latin-1 -*-\nname = '\xe4'\n",
    b"import os\rimport sys",
    b"one\r\ntwo\n",
    b"nuke.pluginAddPath('./CorridorKeyOther')\n# nuke.pluginAddPath('./CorridorKey')\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_artists_lines_stay_to_the_byte(text: bytes, first: Version, second: Version, nuke: Path) -> None:
    """Ours come after them, once however often it is installed, with their line ends, and go without a trace."""
    path = script(nuke, text)
    first.install(nuke)
    told = path.read_bytes()
    assert told.startswith(text)
    assert told.replace(b"\r\n", b"\n").count(BLOCK.encode()) == 1
    assert told.count(b"\r\n") == 0 or told.count(b"\n") - told.count(b"\r\n") == text.replace(b"\r\n", b"").count(
        b"\n"
    )
    second.install(nuke)
    assert path.read_bytes() == told
    assert uninstall(nuke) is not None
    assert path.read_bytes() == text


@pytest.mark.parametrize("text", [b"import os\n", b"import os", b""])
def test_lines_that_came_later_stay(text: bytes, first: Version, second: Version, nuke: Path) -> None:
    """What an artist adds behind ours is there after the next installation, and after the removal."""
    path = script(nuke, text)
    first.install(nuke)
    later = b"import mine\n" if path.read_bytes().endswith(b"\n") else b"\nimport mine\n"
    path.write_bytes(path.read_bytes() + later)
    told = path.read_bytes()
    second.install(nuke)
    assert path.read_bytes() == told
    uninstall(nuke)
    assert path.read_bytes().split() == text.split() + later.split()


def test_a_script_that_was_made_for_it_goes_with_it(first: Version, nuke: Path) -> None:
    """Where there was no init.py there is none afterwards."""
    first.install(nuke)
    removed = uninstall(nuke)
    assert removed is not None
    assert (removed.path, removed.version) == (nuke / "CorridorKey", "1.0")
    assert not list(nuke.iterdir())
    assert uninstall(nuke) is None
    assert uninstall(nuke / "nowhere") is None


def test_lines_of_an_older_version_are_replaced(first: Version, nuke: Path) -> None:
    """Whatever stood between the marks, and however often, today's lines stand there once."""
    old = "# >>> CorridorKey >>> of old\nold()\n# <<< CorridorKey <<<\n"
    path = script(nuke, f"a\n{old}b\n{old}c\n".encode())
    first.install(nuke)
    assert path.read_text() == f"a\nb\nc\n{BLOCK}\n"


@pytest.mark.parametrize(
    "text",
    [
        "# >>> CorridorKey >>> half\nmine()\n",
        "mine()\n# <<< CorridorKey <<<\n",
        f"# >>> CorridorKey >>> half\nmine()\n{BLOCK}\n",
    ],
)
def test_half_of_our_lines_is_not_guessed_at(text: str, first: Version, nuke: Path) -> None:
    """An artist's lines may be what was meant to end there: it is refused, and nothing is changed."""
    path = script(nuke, text.encode())
    for act in (lambda: first.install(nuke), lambda: uninstall(nuke)):
        with pytest.raises(InputError, match=r"init\.py has only a part of CorridorKey's lines; remove that part and"):
            act()
    assert contents(nuke) == {"init.py": path.read_bytes()}
    assert path.read_text() == text


@pytest.mark.parametrize(
    "line", [LINE, 'nuke.pluginAddPath("CorridorKey")', "  nuke.pluginAddPath( './CorridorKey/' )"]
)
def test_a_line_written_by_hand_will_do(line: str, first: Version, nuke: Path) -> None:
    """Who tells Nuke in their own way keeps that way, and gets it told no second time."""
    path = script(nuke, f"if True:\n  pass\n{line}\n".encode())
    before = path.read_bytes()
    first.install(nuke)
    assert path.read_bytes() == before
    uninstall(nuke)
    assert path.read_bytes() == before


def test_a_script_keeps_its_rights(first: Version, nuke: Path) -> None:
    """An init.py that only its owner may read stays so, and stays its owner's."""
    path = script(nuke)
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1234)
    before = path.stat()
    first.install(nuke)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_what_is_no_script_is_refused(first: Version, nuke: Path) -> None:
    """A file in UTF-16 stays as it is, and nothing is installed."""
    path = script(nuke, "import os\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"is no Python script that Nuke reads; save it as UTF-8 and try again\.$"):
        first.install(nuke)
    assert list(nuke.iterdir()) == [path]


def test_a_linked_script_is_not_followed(first: Version, nuke: Path, tmp_path: Path) -> None:
    """What it leads to may be shared: the line to add by hand is told, and with that line it is installed."""
    kept = tmp_path / "kept.py"
    nuke.mkdir(parents=True)
    (nuke / "init.py").symlink_to(kept)
    for text in (None, "import os\n"):
        if text:
            kept.write_text(text)
        with pytest.raises(InputError, match=rf"is a link to {kept}; change that file by hand, the line is nuke\."):
            first.install(nuke)
        assert [path.name for path in nuke.iterdir()] == ["init.py"]
    kept.write_text(f"import os\n{LINE}\n")
    assert first.install(nuke) == ("1.0", None)
    assert (nuke / "init.py").is_symlink()
    assert kept.read_text() == f"import os\n{LINE}\n"
    assert uninstall(nuke) is not None
    assert [path.name for path in nuke.iterdir()] == ["init.py"]


def test_lines_without_a_node_are_removed(first: Version, nuke: Path) -> None:
    """Where somebody took the node away by hand, the lines still go."""
    path = script(nuke)
    first.install(nuke)
    shutil.rmtree(nuke / "CorridorKey")
    removed = uninstall(nuke)
    assert removed is not None
    assert (removed.path, removed.version) == (path, "")
    assert path.read_text() == "print('mine')\n"


def test_a_disk_that_is_full_for_init_alone_changes_nothing(first: Version, nuke: Path) -> None:
    """An init.py too large to be written again stays, and so does all else."""
    path = script(nuke, b"# mine\n" * 20_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(ResourceError, match=r"could not be written"):
            first.install(nuke)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(nuke) == {"init.py": path.read_bytes()}
