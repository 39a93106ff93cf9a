"""Builds the client library and the OFX bundle for Linux, macOS and Windows, all from this machine.

Needs Python and the wheel `ziglang`, nothing else. What it writes is whole or not there; where nothing has changed, it
does nothing. The same sources give the same bytes, wherever they lie.
"""

import argparse
import contextlib
import hashlib
import importlib.metadata
import os
import plistlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import fcntl

BRIDGE = Path(__file__).resolve().parent
ROOT = BRIDGE.parent
OUT = ROOT / "build" / "native"
BUNDLE = "CorridorKey.ofx.bundle"
PLUGIN = "CorridorKey.ofx"
IDENTIFIER = "corridorkey.comp"
ICON = BRIDGE / "resources" / f"{IDENTIFIER}.png"
PAGE = ROOT / "docs" / "ofx.md"
VERSION = ROOT / "models" / "corridorkey_models" / "__init__.py"

OLDEST_MACOS = "11.0"
SIDE_BY_SIDE = 2

FLAGS = (
    *("-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-shared", "-s"),
    *("-Wall", "-Wextra", "-Werror"),
)


class BuildError(Exception):
    """It cannot be built; the message says what to do."""


@dataclass(frozen=True)
class System:
    """What is built for one operating system.

    Attributes:
        name: as in build/native/lib.
        folder: as in the bundle's Contents.
        library: file name of the client library.
        triples: what zig calls it; the results of two are joined in one file.
        other: end of the names of sources that are not this system's.
        flags: for compiler and linker.
        naming: the linker's flag for the name that a library goes by, if it has one.
    """

    name: str
    folder: str
    library: str
    triples: tuple[str, ...]
    other: str
    flags: tuple[str, ...]
    naming: str = ""


_LINUX = ("-D_GNU_SOURCE", "-pthread", "-Wl,-z,defs", "-Wl,--as-needed", "-lm", "-ldl")
_WINDOWS = ("-U_WIN32_WINNT", "-D_WIN32_WINNT=0x0602", "-lws2_32", "-lshell32")

SYSTEMS = (
    # First what takes longest where the cache is empty: zig then builds the system's own library.
    System("windows-x86_64", "Win64", "corridorkey.dll", ("x86_64-windows-gnu",), "_posix", _WINDOWS),
    System(
        name="linux-x86_64",
        folder="Linux-x86-64",
        library="libcorridorkey.so",
        triples=("x86_64-linux-gnu.2.17",),
        other="_windows",
        flags=_LINUX,
        naming="-Wl,-soname,",
    ),
    System(
        name="linux-aarch64",
        folder="Linux-aarch64",
        library="libcorridorkey.so",
        triples=("aarch64-linux-gnu.2.17",),
        other="_windows",
        flags=_LINUX,
        naming="-Wl,-soname,",
    ),
    System(
        name="macos",
        folder="MacOS",
        library="libcorridorkey.dylib",
        triples=(f"x86_64-macos.{OLDEST_MACOS}", f"aarch64-macos.{OLDEST_MACOS}"),
        other="_windows",
        flags=("-D_DARWIN_C_SOURCE",),
        naming="-Wl,-install_name,@rpath/",
    ),
)
NAMES = tuple(system.name for system in SYSTEMS)


def build(out: Path = OUT, names: Sequence[str] = NAMES) -> bool:
    """Build for the systems of these names into `out`, and return whether that was necessary.

    `out` holds these systems alone afterwards, or, if it was up to date, these and others.

    Raises:
        BuildError: something is missing, or a source does not compile.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        digest = _digest()
        if _is_current(out, digest, names):
            return False
        if out.exists() and not (out / "stamp").is_file():
            raise BuildError(f"{out} was not built by this and would be replaced; name another folder.")
        with tempfile.TemporaryDirectory(prefix=f"{out.name}-", dir=out.parent, ignore_cleanup_errors=True) as folder:
            fresh = Path(folder) / "fresh"
            _build_all(fresh, [system for system in SYSTEMS if system.name in names])
            (fresh / "stamp").write_text(" ".join((digest, *names)) + "\n")
            if out.exists():
                out.rename(Path(folder) / "old")
            fresh.rename(out)
    return True


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Wait until nobody else builds into `out`; on Windows nobody is waited for."""
    with out.with_name(f"{out.name}.lock").open("w") as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest() -> str:
    """Return what changes whenever the result would."""
    try:
        zig = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError as error:
        raise BuildError("the compiler is missing; run `pip install ziglang`, or `make ofx`.") from error
    digest = hashlib.sha256(f"{zig} {_version()}".encode())
    headers = [path for folder in ("client", "plugin", "include") for path in (BRIDGE / folder).glob("*.h")]
    for path in sorted([*_sources("client"), *_sources("plugin"), *headers, *_texts(), Path(__file__).resolve()]):
        digest.update(f"\0{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _texts() -> tuple[Path, Path]:
    for path in (ICON, PAGE):
        if not path.is_file():
            raise BuildError(f"{path.relative_to(ROOT)} is missing, which the bundle carries; write it first.")
    return ICON, PAGE


def _is_current(out: Path, digest: str, names: Sequence[str]) -> bool:
    stamp = out / "stamp"
    built, *there = stamp.read_text().split() if stamp.is_file() else [""]
    return built == digest and set(names) <= set(there)


def _version() -> str:
    found = re.search(r'^__version__ = "(.+)"$', VERSION.read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"{VERSION.relative_to(ROOT)} names no __version__; restore the line.")
    return found[1]


def _build_all(fresh: Path, systems: Sequence[System]) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for line in pool.map(lambda system: _build_system(fresh, system), systems):
            sys.stdout.write(line)
            sys.stdout.flush()
    _write_resources(fresh / BUNDLE / "Contents")


def _build_system(fresh: Path, system: System) -> str:
    """Build both files for a system, and return a line about it."""
    began = time.monotonic()
    client, plugin = _sources("client"), _sources("plugin")
    _link(system, client, fresh / "lib" / system.name / system.library)
    # CK_STATIC: what the client library offers to everybody is nobody's business here.
    _link(system, [*client, *plugin], fresh / BUNDLE / "Contents" / system.folder / PLUGIN, "-DCK_STATIC")
    return f"{system.name:15}{time.monotonic() - began:6.1f} s\n"


def _sources(folder: str) -> list[Path]:
    found = sorted((BRIDGE / folder).glob("*.c"))
    if not found:
        raise BuildError(f"ofx_bridge/{folder} holds no C source; is this a whole checkout?")
    return found


def _link(system: System, sources: Sequence[Path], target: Path, *flags: str) -> None:
    target.parent.mkdir(parents=True)
    ours = [path for path in sources if not path.stem.endswith(system.other)]
    naming = [system.naming + target.name] if system.naming else []
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        slices = []
        for triple in system.triples:
            # The file's own name is written into it: only the folder may differ.
            linked = Path(folder) / triple / target.name
            linked.parent.mkdir()
            _compile(triple, ours, linked, *system.flags, *naming, *flags)
            slices.append(linked.read_bytes())
    target.write_bytes(slices[0] if len(slices) == 1 else join(slices))
    target.chmod(0o755)


def _compile(triple: str, sources: Sequence[Path], target: Path, *flags: str) -> None:
    names = [path.relative_to(BRIDGE).as_posix() for path in sources]
    mapping = f"-ffile-prefix-map={BRIDGE}=."
    command = [sys.executable, "-m", "ziglang", "cc", "-target", triple, *FLAGS, mapping, *names, *flags]
    cache = str(ROOT / "build" / "zig-cache")
    caches = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    ran = subprocess.run(
        [*command, "-o", str(target)], cwd=BRIDGE, env=os.environ | caches, capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise BuildError(f"{target.name} for {triple} was not built:\n{ran.stderr.strip()}")


_PAGE_BITS = 14  # what arm64 asks for, and its signature depends on


def join(slices: Sequence[bytes]) -> bytes:
    """Return one universal file of Mach-O files for different processors."""
    head = struct.pack(">II", 0xCAFEBABE, len(slices))
    body = b""
    start = offset = 1 << _PAGE_BITS
    for data in slices:
        processor, kind = struct.unpack_from("<II", data, 4)
        head += struct.pack(">IIIII", processor, kind, offset, len(data), _PAGE_BITS)
        body = body.ljust(offset - start, b"\0") + data
        offset += -(-len(data) // start) * start
    return head.ljust(start, b"\0") + body


def _write_resources(contents: Path) -> None:
    facts = {
        "CFBundleDevelopmentRegion": "English",
        "CFBundleExecutable": PLUGIN,
        "CFBundleIdentifier": IDENTIFIER,
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleName": "CorridorKey",
        "CFBundlePackageType": "BNDL",
        "CFBundleShortVersionString": _version(),
        "CFBundleVersion": _version(),
        "LSMinimumSystemVersion": OLDEST_MACOS,
    }
    (contents / "Info.plist").write_bytes(plistlib.dumps(facts))
    (contents / "Resources").mkdir()
    shutil.copyfile(ICON, contents / "Resources" / ICON.name)
    shutil.copyfile(PAGE, contents / "Resources" / "CorridorKey.txt")


def main() -> int:
    """Build as the command line says, and return the exit code."""
    parser = argparse.ArgumentParser(description="Build the client library and the OFX bundle for every system.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder that is replaced (build/native)")
    parser.add_argument("--only", choices=NAMES, help="one system")
    args = parser.parse_args()
    out = args.out.absolute()
    try:
        built = build(out, [args.only] if args.only else NAMES)
    except BuildError as error:
        sys.stderr.write(f"build.py: {error}\n")
        return 1
    sys.stdout.write(f"{out / BUNDLE} {'is built' if built else 'is up to date'}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
