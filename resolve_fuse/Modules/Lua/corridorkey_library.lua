-- SPDX-License-Identifier: Apache-2.0
-- Finds the client library of the CorridorKey daemon (ofx_bridge/include/corridorkey.h) and loads it by LuaJIT's FFI.
-- Knows no host and no picture.
local library = {}

library.ABI = 1

-- What is used of corridorkey.h. Constants are below: those of C would be declared twice where a tool is loaded again.
library.DECLARATIONS = [[
typedef struct ck_client ck_client;
typedef struct ck_frame ck_frame;
int ck_version(void);
int ck_protocol(void);
int ck_open(int abi, const char *name, int connect_ms, ck_client **client);
void ck_close(ck_client *client);
int ck_slot(ck_client *client, int width, int height, int planes, ck_frame **frame);
int ck_poll(ck_frame *frame, int wait_ms, double *progress);
float *ck_plane(ck_frame *frame, int plane);
int ck_flag(ck_frame *frame, const char *name, int value);
int ck_number(ck_frame *frame, const char *name, double value);
int ck_word(ck_frame *frame, const char *name, const char *word);
int ck_submit(ck_frame *frame, int contents, int priority, const char *node, int number);
int ck_detect(ck_frame *frame, const char *working_space);
int ck_cancel(ck_frame *frame);
void ck_release(ck_frame *frame);
double ck_fact(const ck_frame *frame, int fact);
int ck_notes(const ck_frame *frame, char *text, int size);
int ck_describe(ck_client *client, char *text, int size);
int ck_error(char *text, int size);
void ck_retry(ck_client *client);
]]

library.CONSTANTS = {
    CK_OK = 0,
    CK_WAITING = 1,
    CK_CANCELLED = 2,
    CK_DOWN = -2,
    CK_PLANE_IN = 0,
    CK_PLANE_OUT = 1,
    CK_PLANE_MASK = 2,
    CK_PLANE_HINT = 3,
    CK_WITH_MASKS = 1,
    CK_WITH_HINT = 2,
    CK_HAS_HINT = 1,
    CK_HAS_ALPHA = 2,
    CK_HAS_INSIDE = 4,
    CK_HAS_OUTSIDE = 8,
    CK_FACT_EMPTY = 0,
    CK_FACT_SECONDS = 2,
    CK_FACT_SCREEN = 3,
    CK_PRIORITY_INTERACTIVE = 0,
    CK_PRIORITY_BATCH = 2,
}

local AGAIN = "run `ckey install fuse`, then restart the host."

-- What the folders of native files are called, by LuaJIT's names of system and processor.
library.SYSTEMS = {
    ["Linux x64"] = "linux-x86_64",
    ["Linux arm64"] = "linux-aarch64",
    ["OSX x64"] = "macos",
    ["OSX arm64"] = "macos",
    ["Windows x64"] = "windows-x86_64",
}

-- What the library is called in each of them.
library.FILES = {
    ["linux-x86_64"] = "libcorridorkey.so",
    ["linux-aarch64"] = "libcorridorkey.so",
    macos = "libcorridorkey.dylib",
    ["windows-x86_64"] = "corridorkey.dll",
}

-- Where `ckey install fuse` puts the tool, by the system; $NAME is a variable of the environment.
local STANDARD = {
    Linux = {
        "$HOME/.local/share/DaVinciResolve/Fusion/Fuses",
        "$HOME/.fusion/BlackmagicDesign/Fusion/Fuses",
        "/opt/resolve/Fusion/Fuses",
    },
    OSX = {
        "$HOME/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Fuses",
        "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Fuses",
        "$HOME/Library/Application Support/Blackmagic Design/Fusion/Fuses",
        "/Library/Application Support/Blackmagic Design/Fusion/Fuses",
    },
    Windows = {
        "$APPDATA/Blackmagic Design/DaVinci Resolve/Support/Fusion/Fuses",
        "$PROGRAMDATA/Blackmagic Design/DaVinci Resolve/Fusion/Fuses",
        "$APPDATA/Blackmagic Design/Fusion/Fuses",
        "$PROGRAMDATA/Blackmagic Design/Fusion/Fuses",
    },
}

-- Return LuaJIT's FFI, which hosts offer as a module, as a global, or not at all.
function library.ffi()
    local found, ffi = pcall(require, "ffi")
    return found and ffi or rawget(_G, "ffi")
end

-- Return a path with the variable that it begins with filled in; nil if that is not set.
local function expand(path)
    local name, rest = path:match("^%$(%u+)(.*)$")
    local value = name and os.getenv(name)
    if not name then
        return path
    end
    return value and value ~= "" and value .. rest or nil
end

-- The folder Fuses beside the folder Modules in which this file lies.
local function neighbor()
    local folder = debug.getinfo(1, "S").source:match("^@(.*)[/\\][^/\\]*$")
    return folder and folder .. "/../../Fuses"
end

-- Return the folders in which an installation may lie, in the order in which they are looked at.
-- system: as LuaJIT names it. fuses: the host's folders for fuses, separated by semicolons, or nil.
function library.folders(system, fuses)
    local found = {}
    local function add(folder)
        if folder then
            found[#found + 1] = folder:gsub("[/\\]+$", "") .. "/CorridorKey"
        end
    end
    for folder in (fuses or ""):gmatch("[^;]+") do
        add(folder)
    end
    add(neighbor())
    for _, folder in ipairs(STANDARD[system] or {}) do
        add(expand(folder))
    end
    return found
end

-- Return the files that are tried, in this order; or nil and a sentence.
local function candidates(ffi, fuses)
    local system = library.SYSTEMS[ffi.os .. " " .. ffi.arch]
    if not system then
        return nil, ("there is no CorridorKey library for %s on %s; key with `ckey key` on another machine."):format(
            ffi.os, ffi.arch)
    end
    local files = {}
    for _, folder in ipairs(library.folders(ffi.os, fuses)) do
        files[#files + 1] = ("%s/%s/%s"):format(folder, system, library.FILES[system])
    end
    return files
end

-- Whether a file is there and may be read.
function library.exists(path)
    local file = io.open(path, "rb")
    return file ~= nil and file:close()
end

-- Return the library in a file, or nil and a sentence.
local function load_file(ffi, path)
    local loaded, found = pcall(ffi.load, path)
    if not loaded then
        return nil, ("the CorridorKey library %s cannot be loaded (%s); %s"):format(path, tostring(found), AGAIN)
    end
    local known, version = pcall(function()
        return found.ck_version()
    end)
    if not known or version ~= library.ABI then
        return nil, ("the CorridorKey library %s is not of this fuse's version; %s"):format(path, AGAIN)
    end
    return found
end

local function load_first(ffi, fuses)
    local files, sentence = candidates(ffi, fuses)
    if not files then
        return nil, sentence
    end
    for _, path in ipairs(files) do
        if library.exists(path) then
            local found, reason = load_file(ffi, path)
            if found then
                return found
            end
            sentence = sentence or reason
        end
    end
    return nil, sentence or ("the CorridorKey library was not found, not even as %s; %s"):format(files[1], AGAIN)
end

-- Load the library: the file that CKEY_LIBRARY names and no other, else the first of those that an installation makes.
-- fuses: the host's folders for fuses, separated by semicolons, or nil.
-- Returns the library and LuaJIT's FFI, or nil and a sentence.
function library.load(fuses)
    local ffi = library.ffi()
    if not ffi then
        return nil, "this host's Lua has no FFI, so that the fuse cannot work; use the OFX plug-in or `ckey key`."
    end
    pcall(ffi.cdef, library.DECLARATIONS)
    local found, sentence
    local named = os.getenv("CKEY_LIBRARY") or ""
    if named == "" then
        found, sentence = load_first(ffi, fuses)
    elseif library.exists(named) then
        found, sentence = load_file(ffi, named)
    else
        sentence = ("CKEY_LIBRARY names %s, which is not there; correct it, or unset it."):format(named)
    end
    return found, found and ffi or sentence
end

return library
