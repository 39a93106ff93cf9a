-- SPDX-License-Identifier: Apache-2.0
-- Objects of the host: they have the members that they were given, and no others.
local Sealed = {}

local private = setmetatable({}, { __mode = "k" })

-- Members that a tool may look for without having them.
local QUIET = { GetScanLine = true, CopyOf = true, AlphaMultiply = true, ChannelOpOf = true }

-- Globals that one may look for without there being any.
local OPTIONAL = { ffi = true, jit = true, bmd = true, require = true }

local function method(object, class, name, run)
    return function(this, ...)
        if this ~= object then
            error(class .. ":" .. name .. " is called with a colon", 2)
        end
        return run(...)
    end
end

-- Returns an object. `members` by name, functions among them are methods; `live`: functions by name that give what a
-- member is at the moment; `inside` is what Sealed.inside gives, and must not refer to the object.
function Sealed.new(class, members, inside, live)
    local object = newproxy(true)
    local meta = getmetatable(object)
    local methods = {}
    for name, member in pairs(members) do
        if type(member) == "function" then
            methods[name] = method(object, class, name, member)
        end
    end
    meta.__index = function(_, name)
        if live and live[name] then
            return live[name]()
        end
        local member = methods[name] or members[name]
        if member == nil and not QUIET[name] then
            error(class .. " has no " .. tostring(name), 2)
        end
        return member
    end
    meta.__newindex = function(_, name)
        error(class .. "." .. tostring(name) .. " cannot be assigned", 2)
    end
    meta.__tostring = function()
        return class
    end
    meta.__metatable = class
    private[object] = { class = class, inside = inside or {} }
    return object
end

-- Returns what an object of that class holds inside; nil if it is something else.
function Sealed.inside(object, class)
    local entry = private[object]
    return entry and entry.class == class and entry.inside or nil
end

-- Makes reading a global of `environment` that nobody ever assigned an error. One that has `from` finds others there,
-- and may ask for `self`.
function Sealed.globals(environment, from)
    local assigned = {}
    return setmetatable(environment, {
        __newindex = function(_, name, value)
            assigned[name] = true
            rawset(environment, name, value)
        end,
        __index = function(_, name)
            if assigned[name] then
                return nil
            elseif from then
                return name ~= "self" and from[name] or nil
            elseif not OPTIONAL[name] then
                error("undefined global " .. tostring(name), 2)
            end
            return nil
        end,
    })
end

return Sealed
