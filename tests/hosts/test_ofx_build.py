"""What is built for hosts: the right files for every system, which load there and show only what is due."""

import plistlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from binaries import Binary, read_binaries
from corridorkey_models import __version__
from corridorkey_server.host_files import system_name

PLUGINS = {
    "Linux-x86-64": ("ELF", ["x86_64"]),
    "Linux-aarch64": ("ELF", ["aarch64"]),
    "MacOS": ("Mach-O", ["x86_64", "aarch64"]),
    "Win64": ("PE", ["x86_64"]),
}
LIBRARIES = {
    "linux-x86_64/libcorridorkey.so": PLUGINS["Linux-x86-64"],
    "linux-aarch64/libcorridorkey.so": PLUGINS["Linux-aarch64"],
    "macos/libcorridorkey.dylib": PLUGINS["MacOS"],
    "windows-x86_64/corridorkey.dll": PLUGINS["Win64"],
}
OFX = {"OfxGetNumberOfPlugins", "OfxGetPlugin", "OfxSetHost"}
ZIG_EXPORTS = {"__dso_handle", "_mh_dylib_header"}
"""What zig's linker puts into every library for macOS."""

BUNDLE = "CorridorKey.ofx.bundle/Contents"
FILES = {f"{BUNDLE}/{folder}/CorridorKey.ofx": facts for folder, facts in PLUGINS.items()}
FILES |= {f"lib/{name}": facts for name, facts in LIBRARIES.items()}

LINUX = re.compile(r"(libc|libm|libpthread|libdl|librt|ld-linux[-_\w]*)\.so\.\d")
WINDOWS = re.compile(r"(kernel32|ws2_32|shell32|advapi32|ucrtbase|msvcrt|api-ms-win-crt-[-\w]+)\.dll", re.IGNORECASE)
MACOS = re.compile(r"/usr/lib/libSystem\.B\.dylib")


def public_names(header: str) -> set[str]:
    """Return the functions that corridorkey.h offers."""
    return set(re.findall(r"^CK_API [^;]*?\b(ck_\w+)\(", header, re.MULTILINE))


def ours(binary: Binary) -> set[str]:
    """Return what a library exports, without what the linker adds for itself."""
    return set(binary.exports) - (ZIG_EXPORTS if binary.kind == "Mach-O" else set())


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_for_its_system(name: str, natives: Path) -> None:
    """A loader of each system and processor takes the file for its own."""
    kind, machines = FILES[name]
    found = read_binaries(natives / name)
    assert [binary.kind for binary in found] == [kind] * len(machines)
    assert [binary.machine for binary in found] == machines


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(BUNDLE)])
def test_the_plug_in_exports_the_entry_points_alone(name: str, natives: Path) -> None:
    """No name of ours can meet one of the host's or of another plug-in's."""
    assert [ours(binary) for binary in read_binaries(natives / name)] == [OFX] * len(FILES[name][1])


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("lib/")])
def test_the_library_exports_what_its_header_says(name: str, natives: Path, root: Path) -> None:
    """All of corridorkey.h is there to be called, and nothing that it does not speak of."""
    offered = public_names((root / "ofx_bridge" / "include" / "corridorkey.h").read_text())
    assert {"ck_open", "ck_poll", "ck_close"} <= offered
    assert [ours(binary) for binary in read_binaries(natives / name)] == [offered] * len(FILES[name][1])


@pytest.mark.parametrize("name", FILES)
def test_no_library_but_the_systems_own_is_needed(name: str, natives: Path) -> None:
    """What a host has loaded of its own cannot clash with anything: only what every process has is asked for."""
    allowed = {"ELF": LINUX, "PE": WINDOWS, "Mach-O": MACOS}[FILES[name][0]]
    needed = {library for binary in read_binaries(natives / name) for library in binary.needed}
    assert needed
    assert [library for library in needed if not allowed.fullmatch(library)] == []


@pytest.mark.parametrize("name", [name for name, (kind, _) in FILES.items() if kind == "ELF"])
def test_an_old_glibc_is_enough(name: str, natives: Path) -> None:
    """The files load on everything since CentOS 7."""
    (binary,) = read_binaries(natives / name)
    versions = [tuple(map(int, version.removeprefix("GLIBC_").split("."))) for version in binary.versions]
    assert versions
    assert max(versions) <= (2, 17)


@pytest.mark.parametrize("name", [name for name, (kind, _) in FILES.items() if kind == "Mach-O"])
def test_macos_takes_the_universal_files(name: str, natives: Path) -> None:
    """Both halves begin on a page, load on macOS 11, and the one for arm64 has a signature that holds."""
    found = read_binaries(natives / name)
    assert all(binary.offset % 2**14 == 0 for binary in found)
    assert {version for binary in found for version in binary.versions} == {"11.0"}
    assert [binary.signed for binary in found if binary.machine == "aarch64"] == [True]


def test_a_changed_byte_breaks_the_signature(natives: Path, tmp_path: Path) -> None:
    """The check of the signature sees what is signed."""
    data = bytearray((natives / BUNDLE / "MacOS" / "CorridorKey.ofx").read_bytes())
    data[read_binaries(natives / BUNDLE / "MacOS" / "CorridorKey.ofx")[1].offset + 5000] ^= 1
    (tmp_path / "changed").write_bytes(data)
    assert not read_binaries(tmp_path / "changed")[1].signed


@pytest.mark.parametrize("name", FILES)
def test_nothing_tells_where_it_was_built(name: str, natives: Path, root: Path) -> None:
    """No file holds a path of the machine that built it."""
    data = (natives / name).read_bytes()
    for place in (root, Path(sys.prefix), Path.home()):
        assert f"{place}/".encode() not in data


def test_the_bundle_is_laid_out_as_hosts_expect(natives: Path, root: Path) -> None:
    """Binaries, property list, icon and page lie where the OFX standard says, and nothing else does."""
    contents = natives / BUNDLE
    found = {path.relative_to(contents).as_posix() for path in contents.rglob("*") if path.is_file()}
    resources = {"Info.plist", "Resources/corridorkey.comp.png", "Resources/CorridorKey.txt"}
    assert found == {f"{folder}/CorridorKey.ofx" for folder in PLUGINS} | resources
    facts = plistlib.loads((contents / "Info.plist").read_bytes())
    assert facts["CFBundleExecutable"] == "CorridorKey.ofx"
    assert facts["CFBundlePackageType"] == "BNDL"
    assert facts["CFBundleVersion"] == __version__
    assert (contents / "Resources" / "CorridorKey.txt").read_bytes() == (root / "docs" / "ofx.md").read_bytes()
    icon = (contents / "Resources" / "corridorkey.comp.png").read_bytes()
    assert icon[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(int.from_bytes(icon[16:20]), int.from_bytes(icon[20:24])) >= 128


@pytest.fixture(scope="module")
def elsewhere(root: Path, natives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources in another folder; what zig made of the systems' own libraries is shared."""
    tree = tmp_path_factory.mktemp("elsewhere")
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "ofx_bridge", tree / "ofx_bridge", ignore=skip)
    for name in ("docs/ofx.md", "models/corridorkey_models/__init__.py"):
        (tree / name).parent.mkdir(parents=True)
        shutil.copyfile(root / name, tree / name)
    (tree / "build").mkdir()
    (tree / "build" / "zig-cache").symlink_to(natives.parent / "zig-cache")
    return tree


def build(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Build in that tree for one system."""
    command = [sys.executable, str(tree / "ofx_bridge" / "build.py"), "--only", "linux-x86_64", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)


def test_the_same_sources_give_the_same_bytes(elsewhere: Path, natives: Path) -> None:
    """Built in another folder, both files are what they are here; a second run does nothing."""
    ran = build(elsewhere)
    assert ran.returncode == 0, ran.stderr
    assert re.match(r"linux-x86_64 +\d+\.\d s\n.*CorridorKey\.ofx\.bundle is built\.\n$", ran.stdout)
    built = elsewhere / "build" / "native"
    for name in ("lib/linux-x86_64/libcorridorkey.so", f"{BUNDLE}/Linux-x86-64/CorridorKey.ofx"):
        assert (built / name).read_bytes() == (natives / name).read_bytes(), name
    before = (built / "stamp").stat()
    assert build(elsewhere).stdout.endswith("is up to date.\n")
    assert (built / "stamp").stat() == before


@pytest.mark.parametrize("name", ["client/sentence.c", "plugin/pixels.h", "include/corridorkey_params.h"])
def test_a_changed_source_is_built_and_a_wrong_one_leaves_what_was_there(name: str, elsewhere: Path) -> None:
    """Any source or header counts; where one does not compile, the compiler is quoted and the last result stays."""
    source = elsewhere / "ofx_bridge" / name
    right = source.read_text()
    assert build(elsewhere).returncode == 0
    stamp = (elsewhere / "build" / "native" / "stamp").read_text()
    source.write_text(right + "int wrong(;\n")
    ran = build(elsewhere)
    source.write_text(right)
    assert ran.returncode == 1
    assert "was not built:" in ran.stderr
    assert "error: expected" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (elsewhere / "build" / "native" / "stamp").read_text() == stamp
    assert [path.name for path in (elsewhere / "build").iterdir() if path.name.startswith("native-")] == []


UNLOADED = """
import _ctypes, ctypes, os, sys
library, client = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
assert library.ck_open(1, b"test", 250, ctypes.byref(client)) == 0
library.ck_close(client)
_ctypes.dlclose(library._handle)
child = os.fork()
if child == 0:
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_host_forks_after_it_unloaded_the_library(natives: Path) -> None:
    """What a fork has to call does not go away with the library."""
    library = natives / "lib" / system_name() / "libcorridorkey.so"
    ran = subprocess.run([sys.executable, "-c", UNLOADED, str(library)], check=False)
    assert ran.returncode == 7


def test_a_missing_page_is_a_sentence(elsewhere: Path) -> None:
    """Without docs/ofx.md there is no bundle, and the reason is told."""
    page = elsewhere / "docs" / "ofx.md"
    text = page.read_bytes()
    page.unlink()
    ran = build(elsewhere)
    page.write_bytes(text)
    assert ran.returncode == 1
    assert ran.stderr == "build.py: docs/ofx.md is missing, which the bundle carries; write it first.\n"


def test_a_folder_of_somebody_else_is_not_replaced(elsewhere: Path, tmp_path: Path) -> None:
    """What was not built before is never taken for a folder that may go."""
    (tmp_path / "theirs").mkdir()
    ran = build(elsewhere, "--out", str(tmp_path / "theirs"))
    assert ran.returncode == 1
    assert "theirs was not built by this and would be replaced; name another folder." in ran.stderr
    assert (tmp_path / "theirs").is_dir()


def test_one_compiler_builds_everywhere(root: Path) -> None:
    """The wheel is built by the same zig as `make ofx` uses: another one writes other bytes."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    (hook,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["dependencies"]
    assert hook in project["project"]["optional-dependencies"]["dev"]
    assert re.fullmatch(r"ziglang==[\d.]+", hook)
