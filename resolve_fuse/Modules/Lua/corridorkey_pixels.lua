-- SPDX-License-Identifier: Apache-2.0
-- Passes over images: every row goes through a function of `corridorkey_rows`, in Fusion's workers where they can, and
-- in this state where they could not. Knows no daemon.
--
-- A host is what the fuse gives (see `corridorkey`): run, is_stopped, PixPtr, Pixel, new_image.
local memory = require("corridorkey_memory")
local rows = require("corridorkey_rows")

local pixels = {}

local CHANNELS = { red = "R", green = "G", blue = "B", alpha = "A" }
local FIRST_BAND = 32    -- rows by which it is seen whether the workers do anything, and how fast
local LEAST_BAND = 64    -- rows; fewer would leave workers of a large machine without one
local MOST_GROWTH = 128  -- from a band to the next: a coarse clock says little of a short one
local BAND_SECONDS = 0.4 -- of this process, or of the clock on the wall, as the system counts; stops fall between bands
local PATIENCE = 3       -- bands of which the workers may do nothing before they are asked no more
local ROWS_BETWEEN_LOOKS = 64
local ONE_CHANNEL = 4    -- images of this depth and below have nothing but alpha
local SAMPLES = 16       -- pixels in a row and in a column of what the host made which are looked at

-- How often in a row the host's workers did nothing, as far as this state knows.
local idle = 0

-- Whether Fusion's workers do nothing, so that all pixels go through one thread.
function pixels.is_alone()
    return idle >= PATIENCE
end

-- Thrown where the host wants the frame no more.
pixels.STOPPED = {}

-- Return the address of memory as a number, which is exact below 2^53.
local function address_of(ffi, pointer)
    return tonumber(ffi.cast("uintptr_t", pointer))
end

-- Return what two windows have in common: left, bottom, right and top in pixels, right and top exclusive; or all 0.
local function common(one, other)
    local left, bottom = math.max(one.left, other.left), math.max(one.bottom, other.bottom)
    local right, top = math.min(one.right, other.right), math.min(one.top, other.top)
    if left >= right or bottom >= top then
        return { left = 0, bottom = 0, right = 0, top = 0 }
    end
    return { left = left, bottom = bottom, right = right, top = top }
end

local function is_same(one, other)
    return one.left == other.left and one.bottom == other.bottom and one.right == other.right and one.top == other.top
end

local function frame_of(image)
    return { left = 0, bottom = 0, right = image.Width, top = image.Height }
end

-- Return the window of an image, cut to its frame.
local function window_of(image)
    return common(image.DataWindow, frame_of(image))
end

-- Whether some of an image's frame lies outside its window, where it has no pixels.
local function is_partial(image)
    return not is_same(window_of(image), frame_of(image))
end

-- Do those of rows first to last that are not done in this state, as a worker does: in an environment of their own.
local function run_here(pass, first, last)
    local environment = setmetatable({}, { __index = _G })
    for name, value in pairs(pass.given) do
        environment[name] = value
    end
    environment.ffi, environment.Pixel, environment.PixPtr = pass.ffi, pass.host.Pixel, pass.host.PixPtr
    local function own(worker)
        return setfenv(loadstring(string.dump(worker)), environment)
    end
    own(pass.begin)()
    local row = own(pass.row)
    for index = 0, last - first do
        if pass.marks[first + index] == 0 then
            row(index)
        end
    end
end

local function check_wanted(host)
    if host.is_stopped() then
        error(pixels.STOPPED, 0)
    end
end

-- Return how many of rows first to last were done.
local function count_done(marks, first, last)
    local count = 0
    for y = first, last do
        count = count + (marks[y] ~= 0 and 1 or 0)
    end
    return count
end

-- Do rows first to last: in the workers, then what they left undone here.
local function run_band(pass, first, last)
    local wanted, count = last - first + 1, 0
    pass.given.first, pass.given.band = first, wanted
    if idle < PATIENCE then
        pcall(pass.host.run, pass.begin, pass.given, wanted, pass.row)
        check_wanted(pass.host) -- a host that stops may let its workers do nothing
        count = count_done(pass.marks, first, last)
        idle = count == 0 and idle + 1 or 0
    end
    if count < wanted then
        run_here(pass, first, last)
        count = count_done(pass.marks, first, last)
    end
    if count < wanted then
        error("some rows of an image were not done")
    end
end

-- Do rows bottom to top - 1 of a pass in bands; throws STOPPED between two of them.
local function run(pass, bottom, top)
    local first, size = bottom, FIRST_BAND
    while first < top do
        check_wanted(pass.host)
        local last, begun = math.min(first + size, top) - 1, os.clock()
        run_band(pass, first, last)
        local speed = (last - first + 1) / math.max(os.clock() - begun, 1e-6)
        size = math.max(LEAST_BAND, math.floor(math.min(BAND_SECONDS * speed, MOST_GROWTH * size)))
        first = last + 1
    end
end

-- Give a pass its images: by where they lie, if that is known of all, else as they are.
-- Returns the function that its workers begin with.
local function give_images(host, ffi, images, given)
    local begin = rows.begin_at_address
    given.pictures = #images
    for index, image in ipairs(images) do
        local suffix = index > 1 and "_" .. index or ""
        local scan, stride
        if not is_partial(image) then
            scan, stride = memory.find(host, ffi, image)
        end
        begin = scan and begin or rows.begin
        given["picture" .. suffix], given["scan" .. suffix], given["stride" .. suffix] = image, scan, stride
    end
    return begin
end

-- Return a pass of one row function between images of one size and a plane.
-- given: more of what `corridorkey_rows` wants. step: channels of the plane. offset: its channel.
local function new_pass(host, ffi, images, plane, step, offset, row, given)
    local width, height = images[1].Width, images[1].Height
    local marks = ffi.new("uint8_t[?]", height)
    given.address = address_of(ffi, plane + offset)
    given.marks, given.step = address_of(ffi, marks), step
    given.height, given.length = height, step * width
    local begin = give_images(host, ffi, images, given)
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

-- Clear channels of a plane outside a window of the image's frame. Throws STOPPED.
local function clear_outside(host, ffi, image, window, plane, step, offset, channels)
    local width, height = image.Width, image.Height
    if is_same(window, frame_of(image)) then
        return
    end
    for y = 0, height - 1 do
        if y % ROWS_BETWEEN_LOOKS == 0 then
            check_wanted(host)
        end
        local row = plane + (height - 1 - y) * step * width + offset
        local is_there = y >= window.bottom and y < window.top
        clear(ffi, row, is_there and window.left or width, step, channels)
        if is_there then
            clear(ffi, row + step * window.right, width - window.right, step, channels)
        end
    end
end

-- window: what is taken; all images have it.
local function take(host, ffi, images, window, plane, step, offset, row, given)
    given.left, given.count = window.left, window.right - window.left
    local pass = new_pass(host, ffi, images, plane, step, offset, row, given)
    run(pass, window.bottom, window.top)
    return pass
end

-- Whether a matte was saved as a grey picture with a solid alpha, by the marks of `take_alpha` for a window.
local function is_opaque_matte(window, marks)
    local is_varied = false
    for y = window.bottom, window.top - 1 do
        if marks[y] % 4 < 2 then
            return false
        end
        is_varied = is_varied or marks[y] >= 4
    end
    return is_varied
end

-- Copy the matte that an image holds to one channel of a plane; 0 where the image has no pixels, and beside the plate:
-- what others have there is neither hint nor matte.
-- step: channels of the plane. offset: the one that is written.
-- channel: as the parameter hint_channel; an image of one channel has no other.
-- Returns the channel that was taken.
function pixels.take_matte(host, ffi, image, plate, channel, plane, step, offset)
    local photographed = window_of(plate)
    local window = common(window_of(image), photographed)
    clear_outside(host, ffi, image, window, plane, step, offset, 1)
    if image.Depth <= ONE_CHANNEL then
        channel = "alpha"
    end
    if channel == "luminance" then
        take(host, ffi, { image }, window, plane, step, offset, rows.take_luminance, {})
        return channel
    end
    if channel == "auto" then
        local pass = take(host, ffi, { image }, window, plane, step, offset, rows.take_alpha, {})
        if not (is_same(window, photographed) and is_opaque_matte(window, pass.marks)) then
            return "alpha"
        end
        channel = "red"
    end
    take(host, ffi, { image }, window, plane, step, offset, rows.take_channel, { channel = CHANNELS[channel] })
    return channel
end

-- Copy an RGBA float32 image to a plane of four channels; 0 where the image has no pixels.
function pixels.take_plate(host, ffi, image, plane)
    local window = window_of(image)
    clear_outside(host, ffi, image, window, plane, 4, 0, 4)
    take(host, ffi, { image }, window, plane, 4, 0, rows.take, {})
end

-- The same, with the matte of a second image in alpha; the two are read at once where that can be.
-- channel: as for `take_matte`. Returns the channel that was taken.
function pixels.take_plate_with_hint(host, ffi, image, hint, channel, plane)
    local window = window_of(image)
    local is_together = channel ~= "luminance" and is_same(common(window_of(hint), window), window)
    if not is_together then
        pixels.take_plate(host, ffi, image, plane)
        return pixels.take_matte(host, ffi, hint, image, channel, plane, 4, 3)
    end
    clear_outside(host, ffi, image, window, plane, 4, 0, 4)
    if hint.Depth <= ONE_CHANNEL then
        channel = "alpha"
    end
    if channel ~= "auto" then
        local given = { channel = CHANNELS[channel] }
        take(host, ffi, { image, hint }, window, plane, 4, 0, rows.take_with_channel, given)
        return channel
    end
    local pass = take(host, ffi, { image, hint }, window, plane, 4, 0, rows.take_with_alpha, {})
    if not is_opaque_matte(window, pass.marks) then
        return "alpha"
    end
    return pixels.take_matte(host, ffi, hint, image, "red", plane, 4, 3)
end

local function give(host, ffi, images, plane, step, offset, row, given)
    run(new_pass(host, ffi, images, plane, step, offset, row, given or {}), 0, images[1].Height)
end

-- Return the next whole number; of a half, the even one.
local function round_to_even(value)
    local below = math.floor(value)
    local rest = value - below
    local is_up = rest > 0.5 or (rest == 0.5 and below % 2 == 1)
    return below + (is_up and 1 or 0)
end

-- 64 pixels at a width of 1920, at least 4; greys of 0.15 and 0.55 in sRGB's encoding, and their linear light.
local function checker(ffi, width, is_linear)
    local greys = ffi.new("float[2]", is_linear and { 0.01960665, 0.26327342 } or { 0.15, 0.55 })
    return { even = greys[0], odd = greys[1], square = math.max(4, round_to_even(width / 30)) }
end

-- What the host can make of the foreground by operations of its own, which are quicker than any Lua, and what a pixel
-- of that is, by the foreground and the matte of the out plane.
local OPERATIONS = {
    premultiply = function(keyed, value)
        local matte = keyed[3]
        value[0], value[1], value[2], value[3] = keyed[0] * matte, keyed[1] * matte, keyed[2] * matte, matte
    end,
    spread_alpha = function(keyed, value)
        local matte = keyed[3]
        value[0], value[1], value[2], value[3] = matte, matte, matte, matte
    end,
}

local function itself(keyed, value)
    value[0], value[1], value[2], value[3] = keyed[0], keyed[1], keyed[2], keyed[3]
end

-- Whether an operation gives just these pixels, by its name; nil if that was not tried.
local is_exact = {}

-- Whether an image is what an operation makes of a foreground and its out plane, looked at here and there; in a small
-- one everywhere.
local function agrees(host, ffi, image, foreground, out, expected)
    if image.Width ~= foreground.Width or image.Height ~= foreground.Height or image.Depth ~= foreground.Depth then
        return false
    end
    local pixel, value = host.Pixel(), ffi.new("float[4]")
    local right, top = image.Width - 1, image.Height - 1
    for sample = 0, SAMPLES * SAMPLES - 1 do
        local x = math.floor(sample % SAMPLES * right / (SAMPLES - 1))
        local y = math.floor(math.floor(sample / SAMPLES) * top / (SAMPLES - 1))
        image:GetPixel(x, y, pixel)
        expected(out + 4 * ((top - y) * image.Width + x), value)
        if not memory.is_pixel(pixel, value) then
            return false
        end
    end
    return true
end

-- Whether an operation gave what it should, and left alone what it was given.
local function is_right(host, ffi, image, foreground, out, name)
    return agrees(host, ffi, image, foreground, out, OPERATIONS[name])
        and agrees(host, ffi, foreground, foreground, out, itself)
end

-- Fill an out plane of SAMPLES x SAMPLES with mattes of 0, of 1, between and beyond, and with colors of every size.
local function fill_samples(out)
    for index = 0, SAMPLES * SAMPLES - 1 do
        local at, part = out + 4 * index, index / (SAMPLES * SAMPLES - 1)
        local matte = index % 5 == 0 and 0 or index % 5 == 1 and 1 or 1.2 * part - 0.1
        at[0], at[1], at[2], at[3] = 3 * part - 1, 1 / (1 + index), 700.1 * part, matte
    end
    out[0], out[5], out[10], out[15] = math.huge, 1e-41, -math.huge, 1e-30
end

-- Try an operation on an image of our own.
local function try(host, ffi, name)
    local image, pixel = host.new_probe(SAMPLES, SAMPLES), host.Pixel()
    local out = ffi.new("float[?]", 4 * SAMPLES * SAMPLES)
    fill_samples(out)
    for index = 0, SAMPLES * SAMPLES - 1 do
        local at = out + 4 * index
        pixel.R, pixel.G, pixel.B, pixel.A = at[0], at[1], at[2], at[3]
        image:SetPixel(index % SAMPLES, SAMPLES - 1 - math.floor(index / SAMPLES), pixel)
    end
    return is_right(host, ffi, host[name](image), image, out, name)
end

-- Return what the host makes of the foreground; nil where it does not give the very pixels that it should.
local function derive(host, ffi, foreground, out, name)
    if is_exact[name] == nil then
        local is_tried, is_good = pcall(try, host, ffi, name)
        check_wanted(host) -- what was tried may have been stopped
        is_exact[name] = is_tried and is_good
    end
    if not is_exact[name] then
        return nil
    end
    local is_made, image = pcall(host[name], foreground)
    local is_read, is_good = pcall(is_right, host, ffi, image, foreground, out, name)
    check_wanted(host)
    is_exact[name] = is_made and is_read and is_good
    return is_exact[name] and image or nil
end

local function new_image(host, plate)
    local image = host.new_image(plate)
    if not image then
        error({ sentence = "Fusion has no memory for an image; purge its cache, or use a proxy." }, 0)
    end
    return image
end

-- Return a result as images: what the view shows, the straight foreground with the matte in alpha, and the matte in all
-- four channels.
-- plate: RGBA float32. view: as the parameter output. out, hint: the planes of the result.
-- is_linear: whether the foreground is in a linear space, for the checkerboard.
function pixels.show(host, ffi, plate, view, out, hint, is_linear)
    local foreground = new_image(host, plate)
    give(host, ffi, { foreground }, out, 4, 0, rows.give_foreground)
    local matte = derive(host, ffi, foreground, out, "spread_alpha")
    if not matte then
        matte = new_image(host, plate)
        give(host, ffi, { matte }, out, 4, 3, rows.give_channel)
    end
    local shown = view == "premultiplied" and derive(host, ffi, foreground, out, "premultiply")
    if shown then
        return shown, foreground, matte
    end
    if not agrees(host, ffi, foreground, foreground, out, itself) then
        give(host, ffi, { foreground }, out, 4, 0, rows.give_foreground)
    end
    shown = new_image(host, plate)
    if view == "premultiplied" then
        give(host, ffi, { shown }, out, 4, 0, rows.give_premultiplied)
    elseif view == "foreground" then
        give(host, ffi, { shown }, out, 4, 0, rows.give_foreground)
    elseif view == "matte" then
        give(host, ffi, { shown }, out, 4, 3, rows.give_channel)
    elseif view == "plate" then
        local window = window_of(plate)
        window.count = window.right - window.left
        give(host, ffi, { shown, plate }, out, 4, 0, rows.give_plate, window)
    elseif view == "hint" then
        give(host, ffi, { shown }, hint, 1, 0, rows.give_channel)
    elseif view == "checker" then
        give(host, ffi, { shown }, out, 4, 0, rows.give_checker, checker(ffi, plate.Width, is_linear))
    else
        error("there is no view " .. tostring(view))
    end
    return shown, foreground, matte
end

-- Clear a plane of the result beside the plate: what was made of the black there is nobody's.
-- step: channels of the plane.
function pixels.trim(host, ffi, plate, plane, step)
    clear_outside(host, ffi, plate, window_of(plate), plane, step, 0, step)
end

return pixels
