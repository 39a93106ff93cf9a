-- SPDX-License-Identifier: Apache-2.0
-- Where the pixels of a Fusion image lie in memory: a way past Fusion's own pointers that no document describes. It is
-- used only where CKEY_FUSE_FAST=1 asks for it, and only if what is read and written there is what Fusion says: on a
-- small image made for that, on one of each size, and on every image at its corners.
local memory = {}

local WIDTH, HEIGHT = 5, 3 -- of the image that is tried; rows that are padded show by their odd length
local RGBA_FLOAT, PIXEL_BYTES = 8, 16

-- How images lie in this host, once it was tried: "bottom_up", "top_down", or "unknown".
local layout

-- Whether images of a size lie so, too, by their width and height in words.
local is_proven = {}

-- Return the address of an image's row 0, and the bytes from a row to the one above it; nil if it gives none.
local function place_of(ffi, image, top_down)
    local given, base = pcall(image.GetScanLine, image)
    if not given or type(base) ~= "cdata" then
        return nil
    end
    local is_pointer, pointer = pcall(ffi.cast, "void *", base)
    local address = is_pointer and tonumber(ffi.cast("uintptr_t", pointer)) or 0
    local length = PIXEL_BYTES * image.Width
    if address == 0 then
        return nil
    end
    if top_down then
        return address + (image.Height - 1) * length, -length
    end
    return address, length
end

local function is_same(one, other)
    return one == other or (one ~= one and other ~= other)
end

-- Whether a Pixel holds four floats; those that are no numbers are the same as each other.
function memory.is_pixel(pixel, at)
    return is_same(pixel.R, at[0]) and is_same(pixel.G, at[1]) and is_same(pixel.B, at[2]) and is_same(pixel.A, at[3])
end

-- Whether Fusion says of a pixel what lies in memory.
local function agrees_at(host, ffi, image, x, y, scan, stride)
    local pixel = host.Pixel()
    image:GetPixel(x, y, pixel)
    return memory.is_pixel(pixel, ffi.cast("float *", scan + y * stride + x * PIXEL_BYTES))
end

local function agrees_everywhere(host, ffi, image, scan, stride)
    for y = 0, HEIGHT - 1 do
        for x = 0, WIDTH - 1 do
            if not agrees_at(host, ffi, image, x, y, scan, stride) then
                return false
            end
        end
    end
    return true
end

-- Whether an image lies in this way; its bytes are read in an order in which a wrong guess is found out before it leads
-- out of the image's memory.
local function try(host, ffi, image, top_down)
    local scan, stride = place_of(ffi, image, top_down)
    local first = top_down and HEIGHT - 1 or 0
    if not scan or not agrees_at(host, ffi, image, 0, first, scan, stride) then
        return false
    end
    if not agrees_everywhere(host, ffi, image, scan, stride) then
        return false
    end
    local at = ffi.cast("float *", scan + stride)
    at[0], at[1], at[2], at[3] = 0.5, -2, 1e6, 0.25
    return agrees_everywhere(host, ffi, image, scan, stride)
end

-- Return how images lie, told by one that is made for it.
local function explore(host, ffi)
    local image = host.new_probe(WIDTH, HEIGHT)
    local pixel = host.Pixel()
    for y = 0, HEIGHT - 1 do
        for x = 0, WIDTH - 1 do
            local value = 1 + x + WIDTH * y
            pixel.R, pixel.G, pixel.B, pixel.A = value, value + 0.25, value + 0.5, value + 0.75
            image:SetPixel(x, y, pixel)
        end
    end
    if try(host, ffi, image, false) then
        return "bottom_up"
    end
    return try(host, ffi, image, true) and "top_down" or "unknown"
end

local function agrees_at_corners(host, ffi, image, scan, stride)
    local right, top = image.Width - 1, image.Height - 1
    for _, corner in ipairs({ { 0, 0 }, { right, 0 }, { 0, top }, { right, top } }) do
        if not agrees_at(host, ffi, image, corner[1], corner[2], scan, stride) then
            return false
        end
    end
    return true
end

-- Whether an image of this size lies as the small one did; told by one with corners that differ, as others may not.
local function prove(host, ffi, width, height)
    local image, pixel = host.new_probe(width, height), host.Pixel()
    for index, corner in ipairs({ { 0, 0 }, { width - 1, 0 }, { 0, height - 1 }, { width - 1, height - 1 } }) do
        pixel.R, pixel.G, pixel.B, pixel.A = index, index + 0.25, index + 0.5, index + 0.75
        image:SetPixel(corner[1], corner[2], pixel)
    end
    local scan, stride = place_of(ffi, image, layout == "top_down")
    return scan ~= nil and agrees_at_corners(host, ffi, image, scan, stride)
end

local function is_size_proven(host, ffi, image)
    local size = image.Width .. " x " .. image.Height
    if is_proven[size] == nil then
        local tried, agrees = pcall(prove, host, ffi, image.Width, image.Height)
        if host.is_stopped() then
            return false -- what was tried may have been stopped
        end
        is_proven[size] = tried and agrees
    end
    return is_proven[size]
end

-- Return where an image lies that has all pixels of its frame: the address of its row 0, the bottom one, and the bytes
-- from a row to the one above it.
-- Returns nil where nobody asked for it, or where it is not certain.
function memory.find(host, ffi, image)
    if os.getenv("CKEY_FUSE_FAST") ~= "1" or image.Depth ~= RGBA_FLOAT then
        return nil
    end
    if not layout then
        local tried, found = pcall(explore, host, ffi)
        if host.is_stopped() then
            return nil -- what was tried may have been stopped
        end
        layout = tried and found or "unknown"
    end
    if layout == "unknown" or not is_size_proven(host, ffi, image) then
        return nil
    end
    image:GetPixel(0, 0, host.Pixel()) -- what lies on a GPU comes into memory, which may move the image
    local scan, stride = place_of(ffi, image, layout == "top_down")
    if scan and agrees_at_corners(host, ffi, image, scan, stride) then
        return scan, stride
    end
    return nil
end

return memory
