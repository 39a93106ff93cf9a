-- SPDX-License-Identifier: Apache-2.0
-- Rows of pixels between Fusion's images and a plane of a slot. These functions run in Fusion's workers: Lua states of
-- their own, to which a function comes without its upvalues. So they share nothing but globals, which the call gives
-- (numbers, strings and images) or a `begin` makes, and none calls another.
--
-- Given to all: address of the plane, marks (address of a byte for each row of the image), height of the plane and its
-- length of a row in floats; pictures, how many images; first, the images' row that is index 0, and band, how many rows
-- follow from it: an index beyond is nobody's. Rows of images go up, rows of planes go down: that the copy turns them
-- round is the only flip there is. A row that is done is marked; what is not marked was not done.
-- luacheck: globals pictures picture picture_2 scan scan_2 stride stride_2 ffi
-- luacheck: globals pixel pixel_2 pointer pointer_2 plane done
-- luacheck: globals address marks height length first band left count bottom top step channel square even odd
-- luacheck: read_globals Pixel PixPtr
local rows = {}

-- For images that Fusion's own pointers walk through. Where a worker lacks what it takes, `done` stays false.
-- picture, picture_2: as many images as `pictures` says.
function rows.begin()
    done = false
    local has_module, module = pcall(require, "ffi")
    local bind = ffi or (has_module and module)
    local function walk(image)
        local value = Pixel()
        return value, PixPtr(image, value)
    end
    local can_walk = pcall(walk, picture)
    if not (bind and can_walk) then
        return
    end
    pixel, pointer = walk(picture)
    if pictures > 1 then
        pixel_2, pointer_2 = walk(picture_2)
    end
    plane = bind.cast("float *", address)
    done = bind.cast("uint8_t *", marks)
end

-- For RGBA float32 images whose memory is known; the pointers are as Fusion's.
-- scan, scan_2: addresses of their rows 0. stride, stride_2: bytes from a row to the one above it.
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
    local function walk(base, bytes)
        local made = bind.new("struct corridorkey_walk", bind.cast("char *", base), bytes)
        return bind.new("struct corridorkey_pixel"), made
    end
    pixel, pointer = walk(scan, stride)
    if pictures > 1 then
        pixel_2, pointer_2 = walk(scan_2, stride_2)
    end
    plane = bind.cast("float *", address)
    done = bind.cast("uint8_t *", marks)
end

-- Image to plane, all four channels.
-- left, count: the first pixel and how many.
function rows.take(index)
    if not done or index < 0 or index >= band then
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

-- Color of an image to a plane, with one channel of a second image as alpha: plate and hint at once.
-- channel: R, G, B or A.
function rows.take_with_channel(index)
    if not done or index < 0 or index >= band then
        return
    end
    local y, from, value, name, hint, hinted = first + index, pointer, pixel, channel, pointer_2, pixel_2
    local row = plane + (height - 1 - y) * length
    from:GotoXY(left, y)
    hint:GotoXY(left, y)
    for at = 4 * left, 4 * (left + count) - 1, 4 do
        from:GetNextPixel(value)
        hint:GetNextPixel(hinted)
        row[at], row[at + 1], row[at + 2], row[at + 3] = value.R, value.G, value.B, hinted[name]
    end
    done[y] = 1
end

-- The same with the second image's alpha. The mark tells of its row, as in `take_alpha`.
function rows.take_with_alpha(index)
    if not done or index < 0 or index >= band then
        return
    end
    local y, from, value, hint, hinted = first + index, pointer, pixel, pointer_2, pixel_2
    local row = plane + (height - 1 - y) * length
    local at, stop, is_solid, is_varied = 4 * left, 4 * (left + count), true, false
    from:GotoXY(left, y)
    hint:GotoXY(left, y)
    while is_solid and at < stop do
        from:GetNextPixel(value)
        hint:GetNextPixel(hinted)
        row[at], row[at + 1], row[at + 2], row[at + 3] = value.R, value.G, value.B, hinted.A
        at = at + 4
        is_solid = hinted.A == 1 and hinted.R == hinted.G and hinted.R == hinted.B
        is_varied = is_varied or hinted.R ~= 1
    end
    for rest = at, stop - 1, 4 do
        from:GetNextPixel(value)
        hint:GetNextPixel(hinted)
        row[rest], row[rest + 1], row[rest + 2], row[rest + 3] = value.R, value.G, value.B, hinted.A
    end
    done[y] = 1 + (is_solid and 2 or 0) + (is_solid and is_varied and 4 or 0)
end

-- One channel of an image to one of a plane.
-- channel: R, G, B or A. step: channels of the plane; its address is that of the channel.
function rows.take_channel(index)
    if not done or index < 0 or index >= band then
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
    if not done or index < 0 or index >= band then
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
    if not done or index < 0 or index >= band then
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

-- The foreground multiplied by the matte, and the matte.
function rows.give_premultiplied(index)
    if not done or index < 0 or index >= band then
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

-- A second image, which is the plate, as it is; transparent black where it has no pixels.
-- left, count, bottom, top: its window.
function rows.give_plate(index)
    if not done or index < 0 or index >= band then
        return
    end
    local y, to, value, from, taken = first + index, pointer, pixel, pointer_2, pixel_2
    local is_there = y >= bottom and y < top
    local from_x, to_x, last = left, left + count, length / 4 - 1
    to:GotoXY(0, y)
    if is_there then
        from:GotoXY(left, y)
    end
    for x = 0, last do
        if is_there and x >= from_x and x < to_x then
            from:GetNextPixel(taken)
            value.R, value.G, value.B, value.A = taken.R, taken.G, taken.B, taken.A
        else
            value.R, value.G, value.B, value.A = 0, 0, 0, 0
        end
        to:SetNextPixel(value)
    end
    done[y] = 1
end

-- The straight foreground, and the matte.
function rows.give_foreground(index)
    if not done or index < 0 or index >= band then
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
    if not done or index < 0 or index >= band then
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
    if not done or index < 0 or index >= band then
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
