-- SPDX-License-Identifier: Apache-2.0
-- One of the states that run what DoMultiProcess gets.
-- Arguments: the modules of sealed.lua and pixels.lua, a function that prints a line, how FFI is found, what becomes of
-- parts (see Kind).
local Sealed, Pixels, say, how, fate = ...
local ffi = require("ffi")

local STANDARD = {
    "_VERSION", "assert", "bit", "collectgarbage", "coroutine", "debug", "error", "getfenv", "getmetatable", "io",
    "ipairs", "load", "loadstring", "math", "next", "os", "pairs", "pcall", "rawequal", "rawget", "rawset", "select",
    "setfenv", "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack", "xpcall",
}

local function joined(...)
    local parts = {}
    for index = 1, select("#", ...) do
        parts[index] = tostring((select(index, ...)))
    end
    return table.concat(parts, "\t")
end

local function environment()
    local env = { Pixel = Pixels.Pixel, PixPtr = Pixels.PixPtr }
    for _, name in ipairs(STANDARD) do
        env[name] = _G[name]
    end
    env._G = env
    env.print = function(...)
        say(joined(...))
    end
    if how == "broken" then
        env.PixPtr = function()
            error("PixPtr: attempt to index a nil value", 2)
        end
    end
    if how == "global" or how == "broken" then
        env.ffi = ffi
    elseif how == "require" then
        env.require = function(name)
            return name == "ffi" and ffi or error("module '" .. tostring(name) .. "' not found", 2)
        end
    end
    return Sealed.globals(env)
end

local function arrived(code, env)
    return code and setfenv(assert(loadstring(code)), env)
end

-- Returns how often a part runs.
local function times(index)
    if fate == "lost" then
        return index % 7 == 6 and 0 or 1
    end
    return fate == "twice" and 2 or 1
end

-- Runs `init`, then `run` with every `step`th number from `first` to `last`; both are bytecode, `init` may be nil.
-- `values` and `images` (records) become globals. Returns each different error once.
return function(init, run, values, images, first, step, last)
    local env, errors, known = environment(), {}, {}
    for name, value in pairs(values) do
        env[name] = value
    end
    for name, record in pairs(images) do
        env[name] = Pixels.image(record)
    end
    init, run = arrived(init, env), arrived(run, env)

    local function note(message)
        message = tostring(message)
        if not known[message] then
            known[message] = true
            errors[#errors + 1] = message
        end
    end

    if init then
        local fine, message = pcall(init)
        if not fine then
            note(message)
            return errors
        end
    end
    for index = first, last, step do
        for _ = 1, times(index) do
            local fine, message = pcall(run, index)
            if not fine then
                note(message)
            end
        end
    end
    return errors
end
