-- SPDX-License-Identifier: Apache-2.0
-- Starts the daemon, as `ckey start` in a terminal would, and does not wait for it. Knows no host.
local library = require("corridorkey_library")

local starter = {}

local COMMAND_FILE = "ckey.path" -- written by `ckey install fuse`: the ckey that installed
local SPEAKER = "ckey: "         -- with which a sentence about a failure begins
local FAILED = "failed"          -- said last where it ended with a failure

-- What hosts set for themselves and would lead another program's libraries astray.
local HOSTS_OWN = {
    "DYLD_FRAMEWORK_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME",
    "PYTHONPATH", "PYTHONSTARTUP", "QT_PLUGIN_PATH",
}

-- Where the last start says what it has to say; nil before the first.
local words_file

-- Return the lines of a file, none if it is not there.
local function lines_of(path)
    local lines, file = {}, io.open(path, "r")
    for line in file and file:lines() or function() end do
        lines[#lines + 1] = line:gsub("\r$", "")
    end
    if file then
        file:close()
    end
    return lines
end

local function find_command(fuses)
    for _, folder in ipairs(library.folders(jit.os, fuses)) do
        local command = lines_of(folder .. "/" .. COMMAND_FILE)[1]
        if command and library.exists(command) then
            return command
        end
    end
    return nil
end

local function quoted(path)
    return "'" .. path:gsub("'", "'\\''") .. "'"
end

-- Return a line for the system's shell that starts a program and does not wait for it.
local function line_of(command)
    if jit.os == "Windows" then
        return ('set "PYTHONHOME=" & set "PYTHONPATH=" & start "" /b "%s" start >"%s" 2>&1 <NUL'):format(
            command, words_file)
    end
    return ("{ env -u %s %s start || echo %s; } </dev/null >%s 2>&1 &"):format(
        table.concat(HOSTS_OWN, " -u "), quoted(command), FAILED, quoted(words_file))
end

-- Return a name for a file of this user.
local function new_words_file()
    local name = os.tmpname()
    if jit.os == "Windows" and name:find("^[/\\]") then
        return (os.getenv("TEMP") or ".") .. name -- its C library leaves the folder out
    end
    return name
end

-- Forget what the last start said.
function starter.forget()
    if words_file then
        os.remove(words_file)
        words_file = nil
    end
end

-- Start the daemon, and return a line to be shown; or nil and a sentence.
-- fuses: the host's folders for fuses, separated by semicolons, or nil.
function starter.start(fuses)
    local command = find_command(fuses)
    if not command then
        return nil, "ckey was not found where it installed the fuse from; run `ckey start` in a terminal."
    end
    starter.forget()
    words_file = new_words_file()
    local status = os.execute(line_of(command))
    if status ~= 0 and status ~= true then
        return nil, ("%s could not be run; run `ckey start` in a terminal."):format(command)
    end
    return "The daemon is starting. Press Check Daemon, then Re-key."
end

-- Return why the last start failed, in the words of `ckey start`; nil if it has not, or not yet.
function starter.complaint()
    local lines = words_file and lines_of(words_file) or {}
    local last = lines[#lines] or ""
    if last == FAILED then
        last = lines[#lines - 1] or "`ckey start` failed and said nothing; run it in a terminal."
    elseif last:sub(1, #SPEAKER) ~= SPEAKER then
        return nil
    end
    return last:sub(1, #SPEAKER) == SPEAKER and last:sub(#SPEAKER + 1) or last
end

return starter
