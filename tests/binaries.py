"""Reads what a loader reads of a shared library: ELF, Mach-O and PE files, of any system, in plain Python."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
MACHO_MACHINES = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
PE_MACHINES = {0x8664: "x86_64"}


@dataclass(frozen=True)
class Binary:
    """A shared library for one system and processor.

    Attributes:
        kind: ELF, Mach-O or PE.
        exports: what a program finds in it by name.
        needed: libraries that the loader has to find.
        versions: ELF: versions of symbols asked of those, as GLIBC_2.17. Mach-O: the oldest macOS.
        offset: where it begins in the file; not 0 in a universal one.
        signed: has a code signature, and is what was signed (Mach-O).
    """

    kind: str
    machine: str
    exports: frozenset[str]
    needed: frozenset[str]
    versions: frozenset[str] = frozenset()
    offset: int = 0
    signed: bool = False


def read_binaries(path: Path) -> list[Binary]:
    """Return what is in a file: one library, or one for each processor of a universal one."""
    data = path.read_bytes()
    if data[:4] == b"\x7fELF":
        return [_read_elf(data)]
    if data[:2] == b"MZ":
        return [_read_pe(data)]
    if data[:4] == b"\xca\xfe\xba\xbe":
        return [_read_macho(data[offset : offset + size], offset) for offset, size in _slices(data)]
    return [_read_macho(data, 0)]


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


@dataclass(frozen=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int
    count: int


def _read_elf(data: bytes) -> Binary:
    machine, table, size, count = (
        struct.unpack_from(f"<{code}", data, at)[0] for code, at in (("H", 18), ("Q", 40), ("H", 58), ("H", 60))
    )
    assert struct.unpack_from("<H", data, 16)[0] == 3, "is no shared object"
    sections = [_elf_section(data, table + index * size) for index in range(count)]
    by_kind = {section.kind: section for section in sections}

    def name(section: _Section, offset: int) -> str:
        return _text(data, sections[section.link].offset + offset)

    symbols, dynamic, asked = by_kind[11], by_kind[6], by_kind.get(0x6FFFFFFE)
    return Binary(
        kind="ELF",
        machine=ELF_MACHINES[machine],
        exports=frozenset(name(symbols, offset) for offset in _elf_exports(data, symbols)),
        needed=frozenset(name(dynamic, value) for tag, value in _elf_dynamic(data, dynamic) if tag == 1),
        versions=frozenset(name(asked, offset) for offset in _elf_versions(data, asked)) if asked else frozenset(),
    )


def _elf_section(data: bytes, at: int) -> _Section:
    _, kind, _, _, offset, size, link, count, _, _ = struct.unpack_from("<IIQQQQIIQQ", data, at)
    return _Section(kind, offset, size, link, count)


def _elf_exports(data: bytes, symbols: _Section) -> Iterator[int]:
    for at in range(symbols.offset, symbols.offset + symbols.size, 24):
        name, info, _, section = struct.unpack_from("<IBBH", data, at)
        if info >> 4 != 0 and section != 0:
            yield name


def _elf_dynamic(data: bytes, dynamic: _Section) -> Iterator[tuple[int, int]]:
    return struct.iter_unpack("<QQ", data[dynamic.offset : dynamic.offset + dynamic.size])  # type: ignore[return-value]


def _elf_versions(data: bytes, asked: _Section) -> Iterator[int]:
    library = asked.offset
    for _ in range(asked.count):
        _, count, _, first, following = struct.unpack_from("<HHIII", data, library)
        version = library + first
        for _ in range(count):
            _, _, _, name, step = struct.unpack_from("<IHHII", data, version)
            yield name
            version += step
        library += following


def _slices(data: bytes) -> Iterator[tuple[int, int]]:
    (count,) = struct.unpack_from(">I", data, 4)
    for index in range(count):
        machine, _, offset, size, align = struct.unpack_from(">IIIII", data, 8 + 20 * index)
        assert machine in MACHO_MACHINES
        assert offset % 2**align == 0
        assert offset + size <= len(data)
        yield offset, size


def _read_macho(data: bytes, offset: int) -> Binary:
    magic, machine, _, kind, count = struct.unpack_from("<IIIII", data)
    assert (magic, kind) == (0xFEEDFACF, 6), "is no 64-bit dynamic library"
    commands = dict[int, list[int]]()
    at = 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", data, at)
        commands.setdefault(command, []).append(at)
        at += size
    (facts,) = commands[0x80000022]  # LC_DYLD_INFO_ONLY
    tree, size = struct.unpack_from("<II", data, facts + 40)
    return Binary(
        kind="Mach-O",
        machine=MACHO_MACHINES[machine],
        exports=frozenset(name.removeprefix("_") for name in _macho_exports(data[tree : tree + size])),
        needed=frozenset(_text(data, at + struct.unpack_from("<I", data, at + 8)[0]) for at in commands[0xC]),
        versions=frozenset(_macho_oldest(data, at) for at in commands[0x32]),
        offset=offset,
        signed=any(_macho_is_signed(data, at) for at in commands.get(0x1D, ())),
    )


def _macho_oldest(data: bytes, at: int) -> str:
    (oldest,) = struct.unpack_from("<I", data, at + 12)
    return f"{oldest >> 16}.{oldest >> 8 & 255}"


def _macho_is_signed(data: bytes, at: int) -> bool:
    """Whether every page has the hash that the signature's first part, the code directory, says."""
    start, _ = struct.unpack_from("<II", data, at + 8)
    directory = start + struct.unpack_from(">I", data, start + 16)[0]
    hashes, _, _, pages, limit, size, kind, _, bits = struct.unpack_from(">5I4B", data, directory + 16)
    assert (size, kind) == (32, 2), "is not hashed by SHA-256"
    cuts = range(0, limit, 1 << bits)
    found = b"".join(hashlib.sha256(data[cut : min(cut + (1 << bits), limit)]).digest() for cut in cuts)
    return len(cuts) == pages and found == data[directory + hashes :][: len(found)]


def _macho_exports(tree: bytes, at: int = 0, prefix: str = "") -> Iterator[str]:
    """Walk the tree of names: at each node whether the name so far is one, and the ways on."""
    size, at = _number(tree, at)
    if size:
        yield prefix
    children = at + size
    count, children = tree[children], children + 1
    for _ in range(count):
        step = _text(tree, children)
        child, children = _number(tree, children + len(step) + 1)
        yield from _macho_exports(tree, child, prefix + step)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a ULEB128 number and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _read_pe(data: bytes) -> Binary:
    (start,) = struct.unpack_from("<I", data, 60)
    machine, count, _, _, _, extra, flags = struct.unpack_from("<HHIIIHH", data, start + 4)
    assert data[start : start + 4] == b"PE\0\0"
    assert flags & 0x2000, "is no DLL"
    sections = [struct.unpack_from("<IIII", data, start + 24 + extra + 40 * index + 8) for index in range(count)]

    def place(address: int) -> int:
        for size, begin, _, offset in sections:
            if begin <= address < begin + size:
                return int(address - begin + offset)
        raise AssertionError(f"address {address} is in no section")

    exports, imports = (struct.unpack_from("<I", data, start + 24 + 112 + 8 * index)[0] for index in (0, 1))
    table = place(exports)
    names, first = struct.unpack_from("<I", data, table + 24)[0], place(struct.unpack_from("<I", data, table + 32)[0])
    addresses = struct.unpack_from(f"<{names}I", data, first)
    return Binary(
        kind="PE",
        machine=PE_MACHINES[machine],
        exports=frozenset(_text(data, place(address)) for address in addresses),
        needed=frozenset(_text(data, place(address)) for address in _pe_imports(data, place(imports))),
    )


def _pe_imports(data: bytes, at: int) -> Iterator[int]:
    while address := struct.unpack_from("<I", data, at + 12)[0]:
        yield address
        at += 20
