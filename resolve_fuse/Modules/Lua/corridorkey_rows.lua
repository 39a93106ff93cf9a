-- SPDX-License-Identifier: Apache-2.0
-- Rows of pixels between Fusion's images and a plane of a slot. These functions run in Fusion's workers: Lua states of
-- their own, to which a function comes without its upvalues. So they share nothing but globals, which the call gives
-- (numbers, strings and images) or a `begin` makes, and none calls another.
--
-- Given to all: address of the plane, marks (address of a byte for each row of the image), height of the plane and its
-- length of a row in floats; first, the image's row that is index 0. Rows of images go up, rows of planes go down: that
-- the copy turns them round is the only flip there is. A row that is done is marked; what is not marked was not done.
-- luacheck: globals picture scan stride pixel pointer plane done ffi
-- luacheck: globals address marks height length first left count step channel square even odd
-- luacheck: read_globals Pixel PixPtr
local rows = {}

-- For images that Fusion's own pointers walk through. Where a worker lacks what it takes, `done` stays false.
-- picture: the image.
function rows.begin()
    done = false
    local has_module, module = pcall(require, "ffi")
    local bind = ffi or (has_module and module)
    local has_pixel, made = pcall(Pixel)
    local has_pointer, walk = pcall(PixPtr, picture, made)
    if not (bind and has_pixel and has_pointer) then
        return
    end
    pixel, pointer = made, walk
    plane = bind.cast("float *", address)
    done = bind.cast("uint8_t *", marks)
end

-- For RGBA float32 images whose memory is known; the pointers are as Fusion's.
-- scan: address of row 0. stride: bytes from a row to the one above it.
function rows.begin_at_address()
    done = false
    local has_module, module = pcall(require, "ffi")
    local bind = ffi or (has_module and module)
    if not bind then
        return
    end
    local methods = {
        GotoXY = function(self, x, y)
            self.at = bind.cast("float *", self.base + y * self.stride) + 4 * x
        end,
        GetNextPixel = function(self, to)
            to.R, to.G, to.B, to.A = self.at[0], self.at[1], self.at[2], self.at[3]
            self.at = self.at + 4
        end,
        SetNextPixel = function(self, from)
            self.at[0], self.at[1], self.at[2], self.at[3] = from.R, from.G, from.B, from.A
            self.at = self.at + 4
        end,
    }
    -- A state keeps types for ever and lets none be made twice; an earlier call may have made them.
    pcall(bind.cdef, [[
        struct corridorkey_pixel { float R, G, B, A; };
        struct corridorkey_walk { char *base; ptrdiff_t stride; float *at; };
    ]])
    pcall(bind.metatype, "struct corridorkey_walk", { __index = methods })
    pixel = bind.new("struct corridorkey_pixel")
    pointer = bind.new("struct corridorkey_walk", bind.cast("char *", scan), stride)
    plane = bind.cast("float *", address)
    done = bind.cast("uint8_t *", marks)
end

-- Image to plane, all four channels.
-- left, count: the first pixel and how many.
function rows.take(index)
    if not done then
        return
    end
    local y, from, value = first + index, pointer, pixel
    local row = plane + (height - 1 - y) * length
    from:GotoXY(left, y)
    for at = 4 * left, 4 * (left + count) - 1, 4 do
        from:GetNextPixel(value)
        row[at], row[at + 1], row[at + 2], row[at + 3] = value.R, value.G, value.B, value.A
    end
    done[y] = 1
end

-- One channel of an image to one of a plane.
-- channel: R, G, B or A. step: channels of the plane; its address is that of the channel.
function rows.take_channel(index)
    if not done then
        return
    end
    local y, from, value, name, by = first + index, pointer, pixel, channel, step
    local row = plane + (height - 1 - y) * length
    from:GotoXY(left, y)
    for at = by * left, by * (left + count) - 1, by do
        from:GetNextPixel(value)
        row[at] = value[name]
    end
    done[y] = 1
end

-- Alpha to a channel of a plane. The mark tells of the row, too: 2 more if it is grey with an alpha of 1, 4 more if
-- such a row has another value than 1, by which a matte that was saved as a grey picture is known.
function rows.take_alpha(index)
    if not done then
        return
    end
    local y, from, value, by = first + index, pointer, pixel, step
    local row = plane + (height - 1 - y) * length
    local at, stop, is_solid, is_varied = by * left, by * (left + count), true, false
    from:GotoXY(left, y)
    while is_solid and at < stop do
        from:GetNextPixel(value)
        row[at] = value.A
        at = at + by
        is_solid = value.A == 1 and value.R == value.G and value.R == value.B
        is_varied = is_varied or value.R ~= 1
    end
    for rest = at, stop - 1, by do
        from:GetNextPixel(value)
        row[rest] = value.A
    end
    done[y] = 1 + (is_solid and 2 or 0) + (is_solid and is_varied and 4 or 0)
end

-- Luminance to a channel of a plane; every product and sum is rounded to float32, as the daemon does it.
function rows.take_luminance(index)
    if not done then
        return
    end
    local y, from, value, by = first + index, pointer, pixel, step
    local row = plane + (height - 1 - y) * length
    local part = (ffi or require("ffi")).new("float[6]", 0.2126, 0.7152, 0.0722)
    from:GotoXY(left, y)
    for at = by * left, by * (left + count) - 1, by do
        from:GetNextPixel(value)
        part[3], part[4], part[5] = value.R * part[0], value.G * part[1], value.B * part[2]
        part[3] = part[3] + part[4]
        row[at] = part[3] + part[5]
    end
    done[y] = 1
end

-- Foreground multiplied by the matte, and the matte.
function rows.give_premultiplied(index)
    if not done then
        return
    end
    local y, to, value = first + index, pointer, pixel
    local row = plane + (height - 1 - y) * length
    to:GotoXY(0, y)
    for at = 0, length - 1, 4 do
        local matte = row[at + 3]
        value.R, value.G, value.B, value.A = row[at] * matte, row[at + 1] * matte, row[at + 2] * matte, matte
        to:SetNextPixel(value)
    end
    done[y] = 1
end

-- The straight foreground, and the matte.
function rows.give_foreground(index)
    if not done then
        return
    end
    local y, to, value = first + index, pointer, pixel
    local row = plane + (height - 1 - y) * length
    to:GotoXY(0, y)
    for at = 0, length - 1, 4 do
        value.R, value.G, value.B, value.A = row[at], row[at + 1], row[at + 2], row[at + 3]
        to:SetNextPixel(value)
    end
    done[y] = 1
end

-- One channel of a plane in all four of the image, so that it is a picture, a matte and a mask alike.
-- step: channels of the plane; its address is that of the channel.
function rows.give_channel(index)
    if not done then
        return
    end
    local y, to, value, by = first + index, pointer, pixel, step
    local row = plane + (height - 1 - y) * length
    to:GotoXY(0, y)
    for at = 0, length - 1, by do
        local grey = row[at]
        value.R, value.G, value.B, value.A = grey, grey, grey, grey
        to:SetNextPixel(value)
    end
    done[y] = 1
end

-- The foreground over a checkerboard, solid; rounded to float32 as OFX hosts get it.
-- square: pixels on a side. even, odd: the greys, encoded as the foreground is.
function rows.give_checker(index)
    if not done then
        return
    end
    local y, to, value, size, floor = first + index, pointer, pixel, square, math.floor
    local row = plane + (height - 1 - y) * length
    local line = floor((height - 1 - y) / size)
    local part = (ffi or require("ffi")).new("float[4]")
    to:GotoXY(0, y)
    for at = 0, length - 1, 4 do
        local matte = row[at + 3]
        part[0] = 1 - matte
        part[0] = part[0] * ((line + floor(at / 4 / size)) % 2 == 1 and odd or even)
        part[1], part[2], part[3] = row[at] * matte, row[at + 1] * matte, row[at + 2] * matte
        value.R, value.G, value.B, value.A = part[1] + part[0], part[2] + part[0], part[3] + part[0], 1
        to:SetNextPixel(value)
    end
    done[y] = 1
end

return rows
