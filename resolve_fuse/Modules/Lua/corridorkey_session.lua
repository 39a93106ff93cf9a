-- SPDX-License-Identifier: Apache-2.0
-- The one client of the daemon that all frames of a Lua state share, and how its failures become sentences. Once `open`
-- has returned the session has lib, ffi and client: the client library, LuaJIT's FFI, and the client.
local library = require("corridorkey_library")

local session = {}

local CK = library.CONSTANTS
local NAME = "Fusion"  -- for `ckey ps`
local CONNECT_MS = 250 -- an artist waits
local TEXT_SIZE = 4096

-- End what is at work with words for the artist; see `sentence_of`.
function session.fail(sentence)
    error({ sentence = sentence }, 0)
end

-- Return the words of what was thrown.
function session.sentence_of(thrown)
    if type(thrown) == "table" and thrown.sentence then
        return thrown.sentence
    end
    return ("CorridorKey's fuse failed (%s); please report this."):format((tostring(thrown):gsub("%s+", " ")))
end

-- Return what a call of the library writes into a text; its last two arguments are the text and its size.
function session.text(call, ...)
    local text = session.ffi.new("char[?]", TEXT_SIZE)
    local arguments = { ... }
    arguments[#arguments + 1], arguments[#arguments + 2] = text, TEXT_SIZE
    local status = call(unpack(arguments))
    return session.ffi.string(text), status
end

-- Return the status of a call, or end with what the library says of its failure.
function session.check(status)
    if status < 0 then
        session.fail((session.text(session.lib.ck_error)))
    end
    return status
end

-- Load the library and make the client, if that was not done; connects to nothing.
-- host: see `corridorkey`.
function session.open(host)
    if session.client then
        return
    end
    if (host.temp or ""):find("/Containers/", 1, true) then
        session.fail("this DaVinci Resolve is the App Store's, which can reach neither the daemon nor the library; "
            .. "install the one from blackmagicdesign.com.")
    end
    local lib, ffi = library.load(host.fuses)
    if not lib then
        session.fail(ffi)
    end
    local made = ffi.new("ck_client *[1]")
    if lib.ck_open(library.ABI, NAME, CONNECT_MS, made) ~= CK.CK_OK then
        session.fail("the CorridorKey library makes no client; run `ckey install fuse`, then restart the host.")
    end
    session.lib, session.ffi = lib, ffi
    session.client = ffi.gc(made[0], function(ended)
        lib.ck_close(ended) -- the closure keeps the library loaded until then
    end)
end

-- Return a line about the daemon: device, model, quality, process, version; or nil, a sentence, and whether it is only
-- that no daemon runs.
function session.describe(host)
    local status
    local is_there, result = pcall(function()
        local line
        session.open(host)
        session.lib.ck_retry(session.client)
        line, status = session.text(session.lib.ck_describe, session.client)
        session.check(status)
        return line
    end)
    if is_there then
        return result
    end
    return nil, session.sentence_of(result), status == CK.CK_DOWN
end

return session
