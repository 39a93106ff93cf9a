-- SPDX-License-Identifier: Apache-2.0
-- The main state of a fake Fusion: what a fuse and its modules see.
-- Arguments: the modules of sealed.lua and pixels.lua, the host's functions in Python, where modules are, whether FFI
-- may be found.
local Sealed, Pixels, host, modules, with_ffi, with_operations = ...
local ffi = require("ffi")
local globals = _G
local load_chunk = loadfile

local Fusion = {}

local REGISTERING = {
    "_VERSION", "assert", "bit", "error", "getmetatable", "ipairs", "math", "next", "pairs", "pcall", "rawequal",
    "rawget", "rawset", "select", "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack", "xpcall",
}
local IMAGE_ATTRIBUTES = {
    IMG_Document = true, IMG_Like = true, IMG_Width = true, IMG_Height = true, IMG_Depth = true, IMG_NoData = true,
    IMG_DataWindow = true, IMG_Quality = true, IMG_ProxyScale = true, IMG_XScale = true, IMG_YScale = true,
}

local function ask(result, problem)
    if problem then
        error(problem, 0)
    end
    return result
end

local function say(...)
    local parts = {}
    for index = 1, select("#", ...) do
        parts[index] = tostring((select(index, ...)))
    end
    host.say(table.concat(parts, "\t"))
end

-- Images ------------------------------------------------------------------------------------------

local image_object

local function id_of(object, what)
    local inside = Sealed.inside(object, "Image")
    return inside and inside.id or error(what .. " needs an Image", 3)
end

local function crop(record)
    return function(target, attributes)
        local inside = id_of(target, "Crop")
        for name, value in pairs(attributes) do
            if (name ~= "CROP_XOffset" and name ~= "CROP_YOffset") or value ~= 0 then
                error("Crop with " .. tostring(name) .. " " .. tostring(value) .. " is not known here", 2)
            end
        end
        ask(host.crop(record.id, inside))
    end
end

local function add_operations(record, methods)
    function methods.CopyOf()
        return image_object(ask(host.operate("CopyOf", record.id)))
    end
    function methods.AlphaMultiply()
        ask(host.operate("AlphaMultiply", record.id))
    end
    function methods.ChannelOpOf(operation, foreground, options)
        if operation ~= "Copy" then
            error("ChannelOpOf of " .. tostring(operation) .. " is not known here", 2)
        end
        return image_object(ask(host.operate("ChannelOpOf", id_of(foreground, "ChannelOpOf"), options)))
    end
end

function image_object(record)
    local methods = { Crop = crop(record) }
    if record.scan_type then
        function methods.GetScanLine()
            return ffi.cast(record.scan_type, ask(host.scan_line(record.id)))
        end
    end
    if with_operations then
        add_operations(record, methods)
    end
    return Pixels.image(record, methods)
end

local function new_image(attributes)
    local wanted = {}
    for name, value in pairs(attributes) do
        if not IMAGE_ATTRIBUTES[name] then
            error("Image has no attribute " .. tostring(name), 2)
        elseif name == "IMG_Like" then
            wanted.like = id_of(value, "IMG_Like")
        elseif name == "IMG_DataWindow" then
            local box = Sealed.inside(value, "FuRectInt") or error("IMG_DataWindow is no rectangle", 2)
            wanted.left, wanted.bottom, wanted.right, wanted.top = box.left, box.bottom, box.right, box.top
        elseif name ~= "IMG_Document" then
            wanted[name] = value
        end
    end
    return image_object(ask(host.new_image(wanted)))
end

-- Values, inputs, outputs -------------------------------------------------------------------------

local function value_of(class, lua_type)
    return function(value)
        if type(value) ~= lua_type then
            error(class .. " of a " .. type(value), 2)
        end
        return Sealed.new(class, { Value = value }, { value = value })
    end
end

local number, text = value_of("Number", "number"), value_of("Text", "string")

local function parameter(value)
    return type(value) == "string" and text(value) or number(value)
end

local function serial_of(request, what)
    local inside = Sealed.inside(request, "Request")
    return inside and inside.serial or error(what .. " needs the request", 3)
end

local function input_object(tool, id)
    return Sealed.new("Input", {
        GetValue = function(request)
            local kind, value = tool.value(id, serial_of(request, "GetValue"))
            if kind == "problem" then
                error(value, 0)
            elseif kind == "image" then
                return image_object(value)
            end
            return kind and parameter(value)
        end,
        GetConnectedOutput = function()
            return tool.is_wired(id) and Sealed.new("Output", {}) or nil
        end,
        SetAttrs = function(attributes)
            ask(tool.set_attributes(id, attributes))
        end,
        SetSource = function(source, time)
            local inside = Sealed.inside(source, "Number") or Sealed.inside(source, "Text")
            if not inside then
                error("SetSource needs a Number or a Text", 2)
            end
            ask(tool.set_source(id, inside.value, time))
        end,
    })
end

local function output_object(tool, id)
    return Sealed.new("Output", {
        Set = function(request, image)
            local serial = serial_of(request, "Set")
            if image ~= nil then
                ask(tool.set_output(id, serial, id_of(image, "Set")))
            end
        end,
    })
end

-- Workers -----------------------------------------------------------------------------------------

local function shipped(run, what)
    if type(run) ~= "function" then
        error("DoMultiProcess needs a function to run for " .. what, 3)
    elseif debug.getinfo(run, "u").nups > 0 then
        error(host.blame("a worker function has upvalues"), 3)
    end
    return string.dump(run)
end

local function address_of(code)
    return tonumber(ffi.cast("uintptr_t", ffi.cast("const char *", code)))
end

local function sorted(values)
    local plain, images = {}, {}
    for name, value in pairs(values) do
        local inside = Sealed.inside(value, "Image")
        local kind = type(value)
        if type(name) ~= "string" then
            error(host.blame("a worker gets values by name"), 3)
        elseif inside then
            images[name] = inside.id
        elseif kind == "number" or kind == "string" or kind == "boolean" then
            plain[name] = value
        else
            error(host.blame("a worker gets no " .. kind .. " (" .. name .. ")"), 3)
        end
    end
    return plain, images
end

local function multi_process(init, values, count, run)
    local init_code = init ~= nil and shipped(init, "init") or ""
    local run_code = shipped(run, "each part")
    if type(values) ~= "table" or type(count) ~= "number" or count < 0 or count % 1 ~= 0 then
        error("DoMultiProcess takes init, a table, a whole number and a function", 2)
    end
    local plain, images = sorted(values)
    ask(host.multi_process({
        init = address_of(init_code), init_size = #init_code, run = address_of(run_code), run_size = #run_code,
        values = plain, images = images, count = count,
    }))
end

-- Tools -------------------------------------------------------------------------------------------

local function comp_object()
    return Sealed.new("Composition", {
        MapPath = function(path)
            return host.map_path(path)
        end,
        GetAttrs = function(name)
            return ask(host.comp_attribute(name))
        end,
    })
end

local function tool_object(tool, name, inputs)
    return Sealed.new("Tool", {
        Name = name,
        Comp = comp_object(),
        AddInput = function(label, id, attributes)
            ask(tool.add_input(label, id, attributes))
            inputs[id] = input_object(tool, id)
            return inputs[id]
        end,
        AddOutput = function(label, id, attributes)
            ask(tool.add_output(label, id, attributes))
            return output_object(tool, id)
        end,
        BeginControlNest = function(label, id, open, attributes)
            ask(tool.begin_nest(label, id, open, attributes))
        end,
        EndControlNest = function()
            tool.end_nest()
        end,
        AddControlPage = function(label)
            tool.add_page(label)
        end,
        RemoveControlPage = function(label)
            tool.remove_page(label)
        end,
        SetProgress = function(part)
            ask(tool.set_progress(part))
        end,
        DoMultiProcess = multi_process,
    }, nil, { Status = tool.status })
end

local function fusion_globals(register)
    return {
        FuRegisterClass = register, CT_Tool = "CT_Tool", IMDP_32bitFloat = 4, IMDP_128bitFloat = 8, Image = new_image,
        Number = number, Text = text,
    }
end

local function request_object(record)
    local function no()
        return false
    end
    return Sealed.new("Request", {
        Time = record.time,
        IsPreCalc = function()
            return record.precalc
        end,
        IsQuick = no,
        IsStampOnly = no,
        GetFlags = function()
            return 0
        end,
    }, { serial = record.serial })
end

-- Gives what may be read while a fuse registers, but not used.
local function forbidden(name)
    local function used()
        error(host.blame(name .. " was used while the fuse registered"), 2)
    end
    return setmetatable({}, { __index = used, __newindex = used, __call = used, __metatable = false })
end

local function registering(register)
    local env = { FuRegisterClass = register, CT_Tool = "CT_Tool" }
    for _, name in ipairs(REGISTERING) do
        env[name] = globals[name]
    end
    for name in pairs(globals) do
        env[name] = env[name] or forbidden(name)
    end
    for name in pairs(fusion_globals(register)) do
        env[name] = env[name] or forbidden(name)
    end
    env._G = env
    return Sealed.globals(env, Sealed.globals({}))
end

local function guarded(run, ...)
    if not run then
        return "it does not exist"
    end
    local fine, message = pcall(run, ...)
    if not fine then
        return tostring(message)
    end
    return nil
end

local function run_chunk(path, env)
    local chunk, problem = load_chunk(path)
    if not chunk then
        return problem
    end
    return guarded(setfenv(chunk, env))
end

-- Each of these returns the text of an error, or nil.

-- Runs a fuse without `self`.
function Fusion.register(path, register)
    return run_chunk(path, registering(register))
end

-- Runs a fuse with `self`; `tool` has the functions of the tool in Python. Returns the tool's state, or nil and a text.
function Fusion.create(path, tool, name)
    local inputs = {}
    local env = fusion_globals(tool.register)
    env.self = tool_object(tool, name, inputs)
    local problem = run_chunk(path, Sealed.globals(env, globals))
    return { env = env, inputs = inputs }, problem
end

-- Whether the fuse defined that function.
function Fusion.has(state, name)
    return type(rawget(state.env, name)) == "function"
end

-- Calls a function of the fuse without arguments.
function Fusion.call(state, name)
    return guarded(rawget(state.env, name))
end

-- Calls Process or PreCalcProcess.
function Fusion.process(state, name, record)
    return guarded(rawget(state.env, name), request_object(record))
end

-- Calls NotifyChanged; `value` is nil for an image.
function Fusion.notify(state, id, value, time)
    return guarded(rawget(state.env, "NotifyChanged"), state.inputs[id], value ~= nil and parameter(value) or nil, time)
end

-- Lets go of everything in Python.
function Fusion.close()
    for name in pairs(host) do
        host[name] = nil
    end
    collectgarbage()
end

globals.python = nil
package.path, package.cpath = modules, ""
globals.print = say
globals.Pixel, globals.PixPtr = Pixels.Pixel, Pixels.PixPtr
if with_ffi then
    globals.ffi = ffi
else
    package.loaded.ffi, package.preload.ffi = nil, nil
end
Sealed.globals(globals)
getmetatable(globals).__newindex = function(_, name)
    error(host.blame("a module assigned the global " .. tostring(name)), 2)
end

return Fusion
