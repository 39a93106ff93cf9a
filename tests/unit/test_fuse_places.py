"""Where the fuse goes: for each system, host and user, and what `ckey install fuse` says of it."""

import os
import subprocess
from pathlib import Path

import pytest

from commands import CKEY, ckey
from corridorkey_models import __version__
from corridorkey_models.errors import InputError
from corridorkey_server.install_fuse import Account, chosen_places, known_places, named_place

SYSTEMS = ("linux", "darwin", "win32")
RESOLVE, FUSION = "DaVinci Resolve", "Fusion Studio"
CONTAINER = "Library/Containers/com.blackmagic-design.DaVinciResolveLite"
SUPPORT = "Library/Application Support/Blackmagic Design/DaVinci Resolve"
SANDBOXED = (
    "DaVinci Resolve of the App Store is sandboxed and reaches neither the daemon nor the library; "
    "install DaVinci Resolve from blackmagicdesign.com."
)
PLACE = "Fuses/CorridorKey"
MODULES = "Modules/Lua"


def restart(hosts: str) -> str:
    """Return the last line of an installation."""
    return f"Restart {hosts} to see the tool CorridorKey, in the group Matte."


def on(platform: str, home: Path = Path("/home/me")) -> Account:
    """Return a user of a system."""
    return Account({"APPDATA": str(home / "Roaming"), "PROGRAMDATA": "/ProgramData"}, home, platform)


@pytest.mark.parametrize(
    ("platform", "resolve", "fusion"),
    [
        ("linux", ".local/share/DaVinciResolve/Fusion", ".fusion/BlackmagicDesign/Fusion"),
        ("darwin", f"{SUPPORT}/Fusion", "Library/Application Support/Blackmagic Design/Fusion"),
        ("win32", "Roaming/Blackmagic Design/DaVinci Resolve/Support/Fusion", "Roaming/Blackmagic Design/Fusion"),
    ],
)
def test_a_user_has_a_folder_for_each_host(platform: str, resolve: str, fusion: str) -> None:
    """On every system, each host reads a folder of the user's own."""
    places = known_places(on(platform))
    assert [(place.host, place.folder) for place in places] == [
        ("resolve", Path("/home/me", resolve)),
        ("fusion", Path("/home/me", fusion)),
    ]
    for place in places:
        assert known_places(on(platform), place.host) == [place]


@pytest.mark.parametrize(
    ("platform", "folders"),
    [
        ("linux", ["/opt/resolve/Fusion"]),
        (
            "darwin",
            [
                "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion",
                "/Library/Application Support/Blackmagic Design/Fusion",
            ],
        ),
        ("win32", ["/ProgramData/Blackmagic Design/DaVinci Resolve/Fusion", "/ProgramData/Blackmagic Design/Fusion"]),
    ],
)
def test_all_users_have_folders(platform: str, folders: list[str]) -> None:
    """On every system, hosts read a folder for all; Fusion Studio on Linux has none that is known."""
    assert [str(place.folder) for place in known_places(on(platform), is_system=True)] == folders


def test_what_the_system_does_not_say_is_asked_for() -> None:
    """Where no folder is known, the sentence tells to name one."""
    for choose in (known_places, chosen_places):
        with pytest.raises(InputError, match=r"^Fusion Studio has no folder for all users on Linux .* with --to\.$"):
            choose(on("linux"), "fusion", is_system=True)
        nothing = Account({}, Path("/home/me"), "win32")
        for is_system, variable in ((False, "APPDATA"), (True, "PROGRAMDATA")):
            with pytest.raises(InputError, match=rf"^{variable} is not set; name a folder with --to\.$"):
                choose(nothing, None, is_system)


@pytest.mark.parametrize("platform", SYSTEMS)
def test_hosts_that_are_there_are_chosen(platform: str, tmp_path: Path) -> None:
    """One that was started once has a folder of its own; without any it is DaVinci Resolve's that is made."""
    resolve, fusion = known_places(on(platform, tmp_path))
    assert [(place.host, place.was_found) for place in chosen_places(on(platform, tmp_path))] == [("resolve", False)]
    fusion.folder.mkdir(parents=True)
    assert [place.host for place in chosen_places(on(platform, tmp_path))] == ["fusion"]
    assert [place.host for place in chosen_places(on(platform, tmp_path), "resolve")] == ["resolve"]
    own = next(path for path in resolve.folder.parents if "Resolve" in path.name)
    own.mkdir(parents=True)
    chosen = chosen_places(on(platform, tmp_path))
    assert [(place.host, place.was_found) for place in chosen] == [("resolve", True), ("fusion", True)]


def test_the_app_store_edition_alone_is_refused(tmp_path: Path) -> None:
    """It reaches neither daemon nor library; the sentence says what to install instead."""
    mac = on("darwin", tmp_path)
    (tmp_path / CONTAINER).mkdir(parents=True)
    for host, is_system in ((None, False), ("resolve", False), ("resolve", True)):
        with pytest.raises(InputError) as refused:
            chosen_places(mac, host, is_system)
        assert str(refused.value) == SANDBOXED
    assert [place.host for place in chosen_places(mac, "fusion")] == ["fusion"]
    (tmp_path / SUPPORT).mkdir(parents=True)
    assert [place.host for place in chosen_places(mac)] == ["resolve"]


def test_its_container_means_nothing_on_other_systems(tmp_path: Path) -> None:
    """A home that a Mac shares with other systems is as good as any."""
    (tmp_path / CONTAINER).mkdir(parents=True)
    assert not on("linux", tmp_path).has_container
    assert chosen_places(on("linux", tmp_path))[0].host == "resolve"


def test_a_folder_in_its_container_is_refused(tmp_path: Path) -> None:
    """Also in another case, and where a link leads there."""
    inside = tmp_path / CONTAINER / "Data" / "Fusion"
    inside.mkdir(parents=True)
    (tmp_path / "link").symlink_to(inside)
    for folder in (inside, tmp_path / CONTAINER.lower(), tmp_path / "link"):
        with pytest.raises(InputError) as refused:
            named_place(folder)
        assert str(refused.value) == SANDBOXED
    assert named_place(tmp_path / "Containers").folder == tmp_path / "Containers"


@pytest.mark.parametrize(
    ("inner", "what"),
    [
        ("Fuses", "is the folder Fuses"),
        ("Fuses/CorridorKey", "is inside the folder Fuses"),
        ("Fuses/CorridorKey/Modules/Lua", "is inside the folder Fuses"),
        ("Modules", "is the folder Modules"),
        ("Modules/Lua", "is inside the folder Modules"),
        ("Modules/Lua/Fuses", "is inside the folder Modules"),
    ],
)
def test_a_folder_in_a_fusion_folder_is_refused(inner: str, what: str, tmp_path: Path) -> None:
    """Who names one that hosts search already, or a link to it, is told which is meant."""
    (tmp_path / "Fusion" / inner).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "Fusion" / inner)
    for folder in (tmp_path / "Fusion" / inner, tmp_path / "link"):
        with pytest.raises(InputError) as refused:
            named_place(folder)
        sentence = f"{what} of a Fusion folder; name the Fusion folder itself, {tmp_path / 'Fusion'}."
        assert str(refused.value) == f"{tmp_path / 'Fusion' / inner} {sentence}"


@pytest.mark.parametrize("folder", ["Fuses", "Fuses/Studio", "Modules", "Modules/Studio"])
def test_a_folder_that_holds_fuses_is_a_fusion_folder(folder: str, tmp_path: Path) -> None:
    """Whatever it and those above it are called, it is taken."""
    (tmp_path / folder / "Fuses").mkdir(parents=True)
    assert named_place(tmp_path / folder, "fusion").folder == tmp_path / folder


@pytest.mark.parametrize("name", ["Fuses", "Modules"])
def test_a_fusion_folder_of_such_a_name_is_told(name: str, tmp_path: Path) -> None:
    """Who names what lies in the Fuses of a Fusion folder called Fuses is told that one, and not the one above."""
    (tmp_path / name / "Fuses").mkdir(parents=True)
    with pytest.raises(InputError, match=rf"; name the Fusion folder itself, {tmp_path / name}\.$"):
        named_place(tmp_path / name / "Fuses" / "CorridorKey")


@pytest.mark.parametrize(("platform", "is_refused"), [("linux", False), ("darwin", True), ("win32", True)])
def test_case_counts_where_the_system_tells_it_apart(platform: str, is_refused: bool, tmp_path: Path) -> None:
    """On macOS and Windows `fuses` is Fuses; on Linux no host reads it."""
    for folder in (tmp_path / "fuses" / "CorridorKey", tmp_path / "modules"):
        if is_refused:
            with pytest.raises(InputError, match=rf"; name the Fusion folder itself, {tmp_path}\.$"):
                named_place(folder, None, platform)
        else:
            assert named_place(folder, None, platform).folder == folder


def test_a_name_that_no_folder_can_have_is_a_sentence(tmp_path: Path) -> None:
    """What the system refuses while the folder is looked at is told as it is while something is written."""
    (tmp_path / "Modules").mkdir()
    with pytest.raises(InputError, match=r"cannot be used: file name too long; choose another folder with --to\.$"):
        named_place(tmp_path / "Modules" / ("x" * 300))


def test_links_in_a_circle_are_a_sentence(natives: Path, runtime: Path, tmp_path: Path) -> None:
    """A folder that leads nowhere is refused in words."""
    assert natives.is_dir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    ran = ckey(runtime, "install", "fuse", "--to", tmp_path / "circle")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.endswith("; choose another folder with --to.\n")


def test_the_commands_install_and_remove(natives: Path, root: Path, runtime: Path, tmp_path: Path) -> None:
    """`ckey install fuse` says what is where, `ckey uninstall fuse` takes it away; both say so where none is."""
    folder = tmp_path / "Fusion"
    ran = ckey(runtime, "install", "fuse", "--to", folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"CorridorKey {__version__} is installed: {folder / PLACE}",
        f"Its modules are in {folder / 'Modules' / 'Lua'}.",
        restart("DaVinci Resolve (or Fusion Studio)"),
    ]
    for module in (root / "resolve_fuse" / "Modules" / "Lua").glob("*.lua"):
        assert (folder / "Modules" / "Lua" / module.name).read_text().startswith(module.read_text())
    for library in (path for path in (natives / "lib").rglob("*") if path.is_file()):
        assert (folder / PLACE / library.relative_to(natives / "lib")).read_bytes() == library.read_bytes()
    command = (folder / PLACE / "ckey.path").read_text().strip()
    assert subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.startswith("ckey ")
    again = ckey(runtime, "install", "fuse", "--to", folder, "--host", "fusion")
    assert f"is installed for {FUSION}, in place of {__version__}: " in again.stdout
    assert again.stdout.splitlines()[-1] == restart(FUSION)
    removed = ckey(runtime, "uninstall", "fuse", "--to", folder)
    assert removed.stdout == f"CorridorKey {__version__} is removed: {folder / PLACE}\nRestart the host.\n"
    nothing = ckey(runtime, "uninstall", "fuse", "--to", folder)
    assert (nothing.returncode, nothing.stdout) == (0, f"there is no CorridorKey in {folder}.\n")


def at_home(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `ckey` as a user whose home that is."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run([*CKEY, *words], env=environ, capture_output=True, text=True, check=False)


def test_it_goes_to_every_host_that_is_there(natives: Path, tmp_path: Path) -> None:
    """Without an option it goes to both hosts, with --host to one, and comes back from wherever it is."""
    assert natives.is_dir()
    resolve, fusion = (place.folder for place in known_places(on("linux", tmp_path)))
    made = at_home(tmp_path, "install", "fuse")
    assert made.stdout.splitlines() == [
        f"CorridorKey {__version__} is installed for {RESOLVE}: {resolve / PLACE}",
        f"Its modules are in {resolve / 'Modules' / 'Lua'}.",
        f"{RESOLVE} was not found; the folder that it will read was made.",
        restart(RESOLVE),
    ]
    fusion.mkdir(parents=True)
    both = at_home(tmp_path, "install", "fuse")
    assert f"{RESOLVE}, in place of {__version__}: {resolve / PLACE}" in both.stdout
    assert f"{FUSION}: {fusion / PLACE}" in both.stdout
    assert "was not found" not in both.stdout
    assert both.stdout.splitlines()[-1] == restart(f"{RESOLVE} and {FUSION}")
    one = at_home(tmp_path, "uninstall", "fuse", "--host", "fusion")
    assert one.stdout == f"CorridorKey {__version__} is removed: {fusion / PLACE}\nRestart the host.\n"
    again = at_home(tmp_path, "install", "fuse", "--host", "fusion").stdout.splitlines()
    assert again[-2:] == [f"{FUSION} was not found; the folder that it will read was made.", restart(FUSION)]
    removed = at_home(tmp_path, "uninstall", "fuse").stdout.splitlines()
    assert [line.rpartition(": ")[2] for line in removed[:2]] == [str(resolve / PLACE), str(fusion / PLACE)]
    nothing = at_home(tmp_path, "uninstall", "fuse")
    assert (nothing.returncode, nothing.stdout) == (0, f"there is no CorridorKey in {resolve} or {fusion}.\n")


def folders(parent: Path) -> set[str]:
    """Return every folder below one, and no link."""
    found = (path for path in parent.rglob("*") if path.is_dir() and not path.is_symlink())
    return {path.relative_to(parent).as_posix() for path in found}


@pytest.mark.parametrize("host", ["resolve", "fusion"])
def test_what_installing_made_is_removed(host: str, natives: Path, tmp_path: Path) -> None:
    """No host is found afterwards that was not found before; what lies above a host's own folder stays."""
    assert natives.is_dir()
    (place,) = known_places(on("linux", tmp_path), host)
    assert place.own is not None
    assert at_home(tmp_path, "install", "fuse", "--host", host).returncode == 0
    assert known_places(on("linux", tmp_path), host)[0].was_found
    assert at_home(tmp_path, "uninstall", "fuse").returncode == 0
    assert known_places(on("linux", tmp_path), host) == [place]
    above = place.own.parent.relative_to(tmp_path)
    assert folders(tmp_path) == {path.as_posix() for path in (above, *above.parents)} - {"."}


@pytest.mark.parametrize("platform", SYSTEMS)
@pytest.mark.parametrize("is_system", [False, True])
def test_a_host_has_a_folder_of_its_own(is_system: bool, platform: str) -> None:
    """The Fusion folder is it or lies in it, and it bears the host's name alone."""
    names = {"DaVinciResolve", "DaVinci Resolve", "resolve", "Fusion"}
    for place in known_places(on(platform), is_system=is_system):
        assert place.own is not None
        assert place.folder.is_relative_to(place.own)
        assert place.own.name in names
        assert (place.own == place.folder) == (place.host == "fusion")


def test_a_folder_that_was_named_stays(natives: Path, runtime: Path, tmp_path: Path) -> None:
    """Of what --to names only folders in it are removed that are empty."""
    assert natives.is_dir()
    for kept, left in ((None, set[str]()), ("Modules/Lua/mine.lua", {"Modules", MODULES}), ("Fuses/Other", {"Fuses"})):
        folder = tmp_path / "farm"
        ckey(runtime, "install", "fuse", "--to", folder)
        if kept:
            (folder / kept).touch()
        assert ckey(runtime, "uninstall", "fuse", "--to", folder).returncode == 0
        assert (folder.is_dir(), folders(folder)) == (True, left)
        if kept:
            (folder / kept).unlink()


@pytest.mark.parametrize("kept", ["Fusion/Fuses/mine", "Fusion/mine", "mine"])
def test_a_folder_that_is_not_empty_stays(kept: str, natives: Path, tmp_path: Path) -> None:
    """One file of somebody else's keeps its folder and all above it, and no other."""
    assert natives.is_dir()
    (place,) = known_places(on("linux", tmp_path), "resolve")
    assert place.own is not None
    at_home(tmp_path, "install", "fuse")
    (place.own / kept).touch()
    assert at_home(tmp_path, "uninstall", "fuse").returncode == 0
    assert [path for path in place.own.rglob("*") if path.is_file()] == [place.own / kept]
    assert folders(place.own) == {path.as_posix() for path in Path(kept).parents} - {"."}


@pytest.mark.parametrize("linked", ["Fuses", "Modules", "Modules/Lua", "."])
def test_a_link_to_a_folder_stays(linked: str, natives: Path, tmp_path: Path) -> None:
    """A folder that is kept elsewhere is still linked after its content was removed."""
    assert natives.is_dir()
    (place,) = known_places(on("linux", tmp_path), "resolve")
    (tmp_path / "kept").mkdir()
    link = place.folder / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "kept")
    assert at_home(tmp_path, "install", "fuse").returncode == 0
    assert at_home(tmp_path, "uninstall", "fuse").returncode == 0
    assert link.is_symlink()
    assert not list((tmp_path / "kept").iterdir())


APP_STORE = """
import sys
from corridorkey_server import cli, install_fuse
install_fuse.Account.system = "darwin"
sys.exit(cli.main(sys.argv[1:]))
"""


def test_beside_the_app_store_edition_it_is_said_who_sees_it(natives: Path, tmp_path: Path) -> None:
    """With both editions the ordinary one gets the fuse, and a line tells that the other does not see it."""
    assert natives.is_dir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [CKEY[0], "-c", APP_STORE, "install", "fuse"]
    (tmp_path / CONTAINER).mkdir(parents=True)
    alone = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stdout, alone.stderr) == (2, "", f"ckey: {SANDBOXED}\n")
    (tmp_path / SUPPORT).mkdir(parents=True)
    both = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert both.returncode == 0, both.stderr
    assert f"is installed for {RESOLVE}: {tmp_path / SUPPORT / 'Fusion' / PLACE}\n" in both.stdout
    assert "DaVinci Resolve of the App Store does not see the tool: it is sandboxed.\n" in both.stdout
    fusion = subprocess.run([*command, "--host", "fusion"], env=environ, capture_output=True, text=True, check=False)
    assert fusion.returncode == 0, fusion.stderr
    assert "App Store" not in fusion.stdout


def test_wrong_options_are_a_sentence(runtime: Path, tmp_path: Path) -> None:
    """--host with ofx, an empty --to, a folder of fuses: refused, and nothing is written."""
    ofx = ckey(runtime, "install", "ofx", "--host", "resolve", "--to", tmp_path)
    assert ofx.stderr == "ckey: --host is an option of fuse alone; leave it out, all OFX hosts read the same folder.\n"
    empty = ckey(runtime, "install", "fuse", "--to", "", cwd=tmp_path)
    assert empty.stderr == "ckey: --to is empty; name a folder, or leave --to out.\n"
    fuses = ckey(runtime, "uninstall", "fuse", "--to", tmp_path / "Fuses")
    told = f"{tmp_path / 'Fuses'} is the folder Fuses of a Fusion folder; name the Fusion folder itself, {tmp_path}."
    assert fuses.stderr == f"ckey: {told}\n"
    assert [ran.returncode for ran in (ofx, empty, fuses)] == [2, 2, 2]
    assert not list(tmp_path.iterdir())
