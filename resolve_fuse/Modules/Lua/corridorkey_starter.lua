-- SPDX-License-Identifier: Apache-2.0
-- Starts the daemon, as `ckey start` in a terminal would. Knows no host.
local library = require("corridorkey_library")

local starter = {}

local COMMAND_FILE = "ckey.path" -- written by `ckey install fuse`: the ckey that installed

-- What hosts set for themselves and would lead another program's libraries astray.
local HOSTS_OWN = {
    "DYLD_FRAMEWORK_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME",
    "PYTHONPATH", "PYTHONSTARTUP", "QT_PLUGIN_PATH",
}

local function exists(path)
    local file = io.open(path, "rb")
    return file ~= nil and file:close()
end

-- Return the first line of a file, nil if there is none.
local function first_line(path)
    local file = io.open(path, "r")
    if not file then
        return nil
    end
    local line = file:read("*l")
    file:close()
    return line and line:gsub("\r$", "") or nil
end

local function find_command(fuses)
    for _, folder in ipairs(library.folders(jit.os, fuses)) do
        local command = first_line(folder .. "/" .. COMMAND_FILE)
        if command and exists(command) then
            return command
        end
    end
    return nil
end

-- Return a line for the system's shell that starts a program and does not wait for it.
local function line_of(command)
    if jit.os == "Windows" then
        return ('start "" /b "%s" start >nul 2>&1'):format(command)
    end
    local quoted = "'" .. command:gsub("'", "'\\''") .. "'"
    return ("env -u %s %s start </dev/null >/dev/null 2>&1 &"):format(table.concat(HOSTS_OWN, " -u "), quoted)
end

-- Start the daemon, and return a line to be shown; or nil and a sentence.
-- fuses: the host's folders for fuses, separated by semicolons, or nil.
function starter.start(fuses)
    local command = find_command(fuses)
    if not command then
        return nil, "ckey was not found where it installed the fuse from; run `ckey start` in a terminal."
    end
    local status = os.execute(line_of(command))
    if status ~= 0 and status ~= true then
        return nil, ("%s could not be run; run `ckey start` in a terminal."):format(command)
    end
    return "The daemon is starting. Press Check Daemon, then Re-key."
end

return starter
