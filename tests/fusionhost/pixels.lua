-- SPDX-License-Identifier: Apache-2.0
-- Images, Pixel and PixPtr in one Lua state. No call into Python is made for a pixel.
-- Arguments: the module of sealed.lua, the path of pixels.c's library, "pointer" or "table".
local Sealed, path, binding = ...
local ffi = require("ffi")

ffi.cdef([[
typedef struct { float R, G, B, A; } fusion_pixel;
typedef struct fusion_image fusion_image;
typedef struct {
    fusion_image *image;
    unsigned char *at, *end, *writable_end, *row;
    int32_t x, y, placed;
} fusion_pointer;
void fusion_goto(fusion_pointer *, int, int);
void fusion_next(fusion_pointer *);
void fusion_get_next(fusion_pointer *, fusion_pixel *);
void fusion_set_next(fusion_pointer *, const fusion_pixel *);
void fusion_get(fusion_image *, int, int, fusion_pixel *);
void fusion_set(fusion_image *, int, int, const fusion_pixel *);
]])

local native = ffi.load(path)
local Pixels = {}

local function image_of(object, what)
    local inside = Sealed.inside(object, "Image")
    if not inside then
        error(what .. " needs an Image", 3)
    end
    return inside.facts
end

local function bind_pointers()
    local pixel = ffi.typeof("fusion_pixel")
    local pointer = ffi.metatype("fusion_pointer", {
        __index = {
            GotoXY = native.fusion_goto,
            GetNextPixel = native.fusion_get_next,
            SetNextPixel = native.fusion_set_next,
            NextPixel = native.fusion_next,
        },
    })

    function Pixels.Pixel()
        return pixel()
    end

    function Pixels.PixPtr(image, at)
        if not ffi.istype(pixel, at) then
            error("PixPtr needs a Pixel", 2)
        end
        return pointer(image_of(image, "PixPtr"))
    end

    return function(at)
        return at
    end, function() end
end

local function bind_tables()
    local scratch, void = ffi.new("fusion_pixel"), ffi.new("fusion_pixel *")
    local pixel_meta, pointer_meta = {}, {}

    local function no_member(_, name)
        error("there is no " .. tostring(name), 2)
    end

    pixel_meta.__index, pixel_meta.__newindex = no_member, no_member

    local function written(pixel)
        if getmetatable(pixel) ~= pixel_meta then
            return void
        end
        scratch.R, scratch.G, scratch.B, scratch.A = pixel.R, pixel.G, pixel.B, pixel.A
        return scratch
    end

    local function read(pixel)
        pixel.R, pixel.G, pixel.B, pixel.A = scratch.R, scratch.G, scratch.B, scratch.A
    end

    pointer_meta.__index = {
        GotoXY = function(self, x, y)
            native.fusion_goto(self.state, x, y)
        end,
        GetNextPixel = function(self, pixel)
            native.fusion_get_next(self.state, written(pixel))
            read(pixel)
        end,
        SetNextPixel = function(self, pixel)
            native.fusion_set_next(self.state, written(pixel))
        end,
        NextPixel = function(self)
            native.fusion_next(self.state)
        end,
    }
    pointer_meta.__newindex = no_member

    function Pixels.Pixel()
        return setmetatable({ R = 0, G = 0, B = 0, A = 0 }, pixel_meta)
    end

    function Pixels.PixPtr(image, at)
        if getmetatable(at) ~= pixel_meta then
            error("PixPtr needs a Pixel", 2)
        end
        return setmetatable({ state = ffi.new("fusion_pointer", image_of(image, "PixPtr")) }, pointer_meta)
    end

    return written, read
end

local bind = binding == "table" and bind_tables or bind_pointers
local written, read = bind()

-- Returns a rectangle of pixels; `right` and `top` are the first that lie outside.
function Pixels.window(left, bottom, right, top)
    local box = { left = left, bottom = bottom, right = right, top = top }
    return Sealed.new("FuRectInt", box, box)
end

-- Returns the object of an image. `record` is what the host tells of it: its id, the address of its facts, and what it
-- says of itself; `methods` are added to those that every state has.
function Pixels.image(record, methods)
    local facts = ffi.cast("fusion_image *", record.facts)
    local members = {
        Width = record.width,
        Height = record.height,
        Depth = record.depth,
        Field = record.field,
        ProxyScale = record.proxy_scale,
        DataWindow = Pixels.window(record.left, record.bottom, record.right, record.top),
        ImageWindow = Pixels.window(0, 0, record.width, record.height),
        GetPixel = function(x, y, pixel)
            native.fusion_get(facts, x, y, written(pixel))
            read(pixel)
        end,
        SetPixel = function(x, y, pixel)
            native.fusion_set(facts, x, y, written(pixel))
        end,
    }
    for name, run in pairs(methods or {}) do
        members[name] = run
    end
    return Sealed.new("Image", members, { facts = facts, id = record.id })
end

return Pixels
