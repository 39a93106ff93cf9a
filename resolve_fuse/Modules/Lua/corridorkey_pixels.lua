-- SPDX-License-Identifier: Apache-2.0
-- Passes over images: every row goes through a function of `corridorkey_rows`, in Fusion's workers where they can, and
-- in this state where they could not. Knows no daemon.
--
-- A host is what the fuse gives (see `corridorkey`): run, is_stopped, PixPtr, Pixel, new_image.
local memory = require("corridorkey_memory")
local rows = require("corridorkey_rows")

local pixels = {}

local CHANNELS = { red = "R", green = "G", blue = "B", alpha = "A" }
local FIRST_BAND = 16 -- rows by which it is seen whether the workers do anything
local BANDS = 8       -- between which a pass can be stopped
local ONE_CHANNEL = 4 -- images of this depth and below have nothing but alpha

-- Whether the host's workers do their rows, as far as this state knows.
local known = { workers = true }

-- Whether Fusion's workers have done nothing, so that all pixels go through one thread.
function pixels.is_alone()
    return not known.workers
end

-- Thrown where the host wants the frame no more.
pixels.STOPPED = {}

-- Return the address of memory as a number, which is exact below 2^53.
local function address_of(ffi, pointer)
    return tonumber(ffi.cast("uintptr_t", pointer))
end

-- Return the window of an image, cut to its frame: left, bottom, right and top in pixels, right and top exclusive.
local function window_of(image)
    local window = image.DataWindow
    local left, bottom = math.max(window.left, 0), math.max(window.bottom, 0)
    local right, top = math.min(window.right, image.Width), math.min(window.top, image.Height)
    if left >= right or bottom >= top then
        return 0, 0, 0, 0
    end
    return left, bottom, right, top
end

-- Whether an image has a pixel of its frame nowhere but in its window.
function pixels.is_partial(image)
    local left, bottom, right, top = window_of(image)
    return left > 0 or bottom > 0 or right < image.Width or top < image.Height
end

-- Run functions in this state as a worker does: in an environment of their own.
local function run_here(pass, first, last, is_done)
    local environment = setmetatable({}, { __index = _G })
    for name, value in pairs(pass.given) do
        environment[name] = value
    end
    environment.ffi, environment.Pixel, environment.PixPtr = pass.ffi, pass.host.Pixel, pass.host.PixPtr
    environment.first = first
    local function own(worker)
        return setfenv(loadstring(string.dump(worker)), environment)
    end
    own(pass.begin)()
    local row = own(pass.row)
    for index = 0, last - first do
        if not is_done(first + index) then
            row(index)
        end
    end
end

-- Do rows first to last: in the workers, then what they left undone here.
local function run_band(pass, first, last)
    local function is_done(y)
        return pass.marks[y] ~= 0
    end
    local done_there = false
    if known.workers then
        pass.given.first = first
        pcall(pass.host.run, pass.begin, pass.given, last - first + 1, pass.row)
        for y = first, last do
            done_there = done_there or is_done(y)
        end
        known.workers = done_there
    end
    run_here(pass, first, last, is_done)
    for y = first, last do
        if not is_done(y) then
            error(("row %d of an image was not done"):format(y))
        end
    end
end

-- Do rows bottom to top - 1 of a pass in bands; throws STOPPED between two of them.
local function run(pass, bottom, top)
    local size = math.max(FIRST_BAND, math.ceil((top - bottom) / BANDS))
    local first, last = bottom, math.min(bottom + FIRST_BAND, top) - 1
    while first < top do
        if pass.host.is_stopped() then
            error(pixels.STOPPED, 0)
        end
        run_band(pass, first, last)
        first, last = last + 1, math.min(last + size, top - 1)
    end
end

-- Return a pass of one row function between an image and a plane.
-- given: more of what `corridorkey_rows` wants. step: channels of the plane. offset: its channel.
local function new_pass(host, ffi, image, plane, step, offset, row, given)
    local marks = ffi.new("uint8_t[?]", image.Height)
    given.address = address_of(ffi, plane + offset)
    given.marks, given.step = address_of(ffi, marks), step
    given.height, given.length = image.Height, step * image.Width
    local scan, stride = memory.find(host, ffi, image)
    if scan then
        given.scan, given.stride = scan, stride
    else
        given.picture = image
    end
    local begin = scan and rows.begin_at_address or rows.begin
    return { host = host, ffi = ffi, begin = begin, row = row, given = given, marks = marks }
end

-- Clear `channels` channels of `count` pixels, `step` floats apart.
local function clear(ffi, from, count, step, channels)
    if channels == step then
        ffi.fill(from, 4 * step * count)
        return
    end
    for index = 0, step * (count - 1), step do
        ffi.fill(from + index, 4 * channels)
    end
end

-- Clear channels of a plane where the image has no pixels: outside its window.
local function clear_outside(ffi, image, plane, step, offset, channels)
    local left, bottom, right, top = window_of(image)
    local width, height = image.Width, image.Height
    if not pixels.is_partial(image) then
        return
    end
    for y = 0, height - 1 do
        local row = plane + (height - 1 - y) * step * width + offset
        local is_there = y >= bottom and y < top
        clear(ffi, row, is_there and left or width, step, channels)
        if is_there then
            clear(ffi, row + step * right, width - right, step, channels)
        end
    end
end

local function take(host, ffi, image, plane, step, offset, row, given)
    local left, bottom, right, top = window_of(image)
    given.left, given.count = left, right - left
    local pass = new_pass(host, ffi, image, plane, step, offset, row, given)
    run(pass, bottom, top)
    return pass
end

-- Copy an RGBA float32 image to a plane of four channels; 0 where the image has no pixels.
function pixels.take_plate(host, ffi, image, plane)
    clear_outside(ffi, image, plane, 4, 0, 4)
    take(host, ffi, image, plane, 4, 0, rows.take, {})
end

-- Whether a matte was saved as a grey picture with a solid alpha, by the marks of `take_alpha`.
local function is_opaque_matte(image, marks)
    local is_varied = false
    for y = 0, image.Height - 1 do
        if marks[y] % 4 < 2 then
            return false
        end
        is_varied = is_varied or marks[y] >= 4
    end
    return is_varied
end

-- Copy the matte that an image holds to one channel of a plane; 0 where the image has no pixels.
-- step: channels of the plane. offset: the one that is written.
-- channel: as the parameter hint_channel; an image of one channel has no other.
-- Returns the channel that was taken.
function pixels.take_matte(host, ffi, image, channel, plane, step, offset)
    clear_outside(ffi, image, plane, step, offset, 1)
    if image.Depth <= ONE_CHANNEL then
        channel = "alpha"
    end
    if channel == "luminance" then
        take(host, ffi, image, plane, step, offset, rows.take_luminance, {})
        return channel
    end
    if channel == "auto" then
        local pass = take(host, ffi, image, plane, step, offset, rows.take_alpha, {})
        channel = "alpha"
        if pixels.is_partial(image) or not is_opaque_matte(image, pass.marks) then
            return channel
        end
        channel = "red"
    end
    take(host, ffi, image, plane, step, offset, rows.take_channel, { channel = CHANNELS[channel] })
    return channel
end

-- Return a new image with what a view shows.
-- like: the plate. view: premultiplied, foreground, matte, hint or checker. out, hint: the planes of the result.
-- is_linear: whether the foreground is in a linear space, for the checkerboard.
function pixels.show(host, ffi, like, view, out, hint, is_linear)
    local image = host.new_image(like)
    local given, row = {}, rows["give_" .. view]
    local plane, step, offset = out, 4, 0
    if view == "matte" then
        row, offset = rows.give_channel, 3
    elseif view == "hint" then
        row, plane, step = rows.give_channel, hint, 1
    elseif view == "checker" then
        -- 64 pixels at a width of 1920, at least 4; greys of 0.15 and 0.55 in sRGB's encoding, and their linear light.
        local greys = ffi.new("float[2]", is_linear and { 0.01960665, 0.26327342 } or { 0.15, 0.55 })
        given.even, given.odd = greys[0], greys[1]
        given.square = math.max(4, pixels.round_to_even(image.Width / 30))
    end
    run(new_pass(host, ffi, image, plane, step, offset, row, given), 0, image.Height)
    return image
end

-- Return the next whole number; of a half, the even one.
function pixels.round_to_even(value)
    local below = math.floor(value)
    local rest = value - below
    local is_up = rest > 0.5 or (rest == 0.5 and below % 2 == 1)
    return below + (is_up and 1 or 0)
end

-- Clear the out plane where the plate has no pixels: what the network made of them is nobody's.
function pixels.trim(ffi, plate, out)
    clear_outside(ffi, plate, out, 4, 0, 4)
end

return pixels
