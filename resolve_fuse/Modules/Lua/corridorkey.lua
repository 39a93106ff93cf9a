-- SPDX-License-Identifier: Apache-2.0
-- One frame of a Fusion comp through the CorridorKey daemon: plate and hint into a slot, foreground and matte out.
-- Knows Fusion only as what the fuse hands in, and runs in any LuaJIT.
--
-- A host is a table of
--   fuses, temp          its folders for fuses, separated by semicolons, and for temporary files; or nil
--   is_batch             whether nobody waits for the frame
--   is_stopped()         whether the artist wants the frame no more
--   set_progress(part)   0 to 1
--   run(begin, given, count, row)   begin() in each worker, then row(0) to row(count - 1) spread over them
--   to_float(image)      the image with float32 channels
--   new_image(plate)     an RGBA float32 image of the plate's whole frame; new_probe(width, height): a small one
--   premultiply(image), spread_alpha(image)   new images by Fusion's own operations: RGB times A; A in all channels
--   Pixel, PixPtr        Fusion's own
local controls = require("corridorkey_controls")
local library = require("corridorkey_library")
local pixels = require("corridorkey_pixels")
local protocol = require("corridorkey_params")
local session = require("corridorkey_session")
local starter = require("corridorkey_starter")

-- INTERFACE is what the fuse and these modules have agreed on; it rises with every change of a host or a request.
local corridorkey = { INTERFACE = 1 }

local CK = library.CONSTANTS
local check, fail = session.check, session.fail
local SLICE_MS = 20               -- between two looks at whether the frame is still wanted
local FILLED, ANSWERED = 0.1, 0.9 -- of the progress: the slot is filled, the daemon has answered
local SPACE = "linear_rec709"     -- what Fusion works in, as far as anybody can know
local COLOR_DEPTH = 5             -- images of lower depth have one channel
local WHOLE_FRAME = -1            -- any other field is half of one
local SAME_SPACE = "same"

local MATTES = {
    { name = "inside", label = "SolidMatte", content = CK.CK_HAS_INSIDE, offset = 0 },
    { name = "outside", label = "GarbageMatte", content = CK.CK_HAS_OUTSIDE, offset = 1 },
}

local function check_size(shot, image, label)
    local plate = shot.plate
    if image.Width ~= plate.Width or image.Height ~= plate.Height then
        fail(("%s is %d x %d pixels and the plate %d x %d; bring it to the plate's size."):format(
            label, image.Width, image.Height, plate.Width, plate.Height))
    end
end

local function check_field(image, label)
    if image.Field ~= nil and image.Field ~= WHOLE_FRAME then
        fail(("CorridorKey keys whole frames and %s is a field; deinterlace it."):format(label))
    end
end

-- Rows and columns count from the frame's corner; images in which it lies elsewhere are not known.
local function check_frame(image, label)
    local frame = image.ImageWindow
    if frame and (frame.left ~= 0 or frame.bottom ~= 0) then
        fail(("the frame of %s does not begin at 0, 0; put a Crop behind it."):format(label))
    end
end

local function check_plate(plate)
    if not plate then
        fail("Input has no image at this frame; wire a plate, or look at the tool before it.")
    end
    check_field(plate, "the plate")
    check_frame(plate, "the plate")
    if plate.Depth < COLOR_DEPTH then
        fail("the plate is a mask without color; wire the green screen picture into Input.")
    end
    if plate.Width > protocol.side_limit or plate.Height > protocol.side_limit then
        fail(("the plate is %d x %d pixels, more than %d on a side; crop it, or use a proxy."):format(
            plate.Width, plate.Height, protocol.side_limit))
    end
end

-- Return the values of all parameters by name, as words, flags and numbers.
local function read_values(numbers)
    local values = {}
    for _, row in ipairs(protocol.params) do
        local number = numbers[row.name]
        if number == nil then
            values[row.name] = row.default
        else
            values[row.name] = controls.value_of(row, number)
        end
        if values[row.name] == nil then
            fail(("%s has a value that this version does not know; choose another one."):format(
                controls.title_of(row)))
        end
    end
    return values
end

-- An image is nil if nothing is wired, and false if what is wired has none.
local function check_image(image, label)
    if image == false then
        fail(("%s is wired and has no image at this frame; unwire it, or look at the tool before it."):format(label))
    end
end

-- Return the hint's image if the values say that it counts, and what the alpha of the in plane will be.
local function choose_hint(images, source)
    if source == "source_alpha" then
        return nil, CK.CK_HAS_ALPHA
    end
    if source ~= "auto" and source ~= "input" then
        return nil, 0
    end
    check_image(images.hint, "AlphaHint")
    return images.hint, images.hint and CK.CK_HAS_HINT or 0
end

-- Find out which images count, and what memory they need.
local function look(shot)
    shot.hint, shot.contents = choose_hint(shot.images, shot.values.hint_source)
    shot.planes = shot.values.output == "hint" and CK.CK_WITH_HINT or 0
    if shot.hint then
        check_field(shot.hint, "AlphaHint")
        check_frame(shot.hint, "AlphaHint")
        check_size(shot, shot.hint, "AlphaHint")
    end
    if shot.images.inside or shot.images.outside then
        shot.planes = shot.planes + CK.CK_WITH_MASKS
    end
    for _, matte in ipairs(MATTES) do
        local image = shot.images[matte.name]
        check_image(image, matte.label)
        if image then
            check_field(image, matte.label)
            check_frame(image, matte.label)
            check_size(shot, image, matte.label)
            shot.contents = shot.contents + matte.content
        end
    end
end

local function begin(shot, request)
    shot.images, shot.plate = request.images, request.images.plate
    check_plate(shot.plate)
    shot.values = read_values(request.values)
    shot.is_assumed = shot.values.working_space == "auto"
    if shot.is_assumed then
        shot.values.working_space = SPACE
    end
    look(shot)
end

-- Wait for what the frame is at: its memory, or its result. from, to: the part of the progress that this is.
local function wait(shot, from, to)
    local lib, progress = session.lib, session.ffi.new("double[1]")
    local status
    repeat
        if shot.host.is_stopped() then
            lib.ck_cancel(shot.frame)
            error(pixels.STOPPED, 0)
        end
        status = check(lib.ck_poll(shot.frame, SLICE_MS, progress))
        shot.host.set_progress(from + (to - from) * progress[0])
    until status ~= CK.CK_WAITING
    if status == CK.CK_CANCELLED then
        fail("the daemon was told to stop this frame; press Re-key.")
    end
end

local function open_slot(shot)
    local made = session.ffi.new("ck_frame *[1]")
    check(session.lib.ck_slot(session.client, shot.plate.Width, shot.plate.Height, shot.planes, made))
    shot.frame = made[0]
    wait(shot, 0, 0)
end

local function plane_of(shot, plane)
    local memory = session.lib.ck_plane(shot.frame, plane)
    if memory == nil then
        fail("the frame came without its memory; please report this.")
    end
    return memory
end

-- Copy plate, hint and mattes into the slot.
local function fill(shot)
    local host, ffi, given = shot.host, session.ffi, plane_of(shot, CK.CK_PLANE_IN)
    local plate = host.to_float(shot.plate)
    shot.float_plate = plate
    if shot.hint then
        local hint, channel = host.to_float(shot.hint), shot.values.hint_channel
        shot.channel = pixels.take_plate_with_hint(host, ffi, plate, hint, channel, given)
    else
        pixels.take_plate(host, ffi, plate, given)
    end
    for _, matte in ipairs(MATTES) do
        local image = shot.images[matte.name]
        if image then
            local masks = plane_of(shot, CK.CK_PLANE_MASK)
            local taken = pixels.take_matte(host, ffi, host.to_float(image), plate, "auto", masks, 2, matte.offset)
            shot.channels[matte.name] = taken
        end
    end
    host.set_progress(FILLED)
end

-- Ask which screen the plate has, and key with that.
local function detect(shot)
    check(session.lib.ck_detect(shot.frame, shot.values.working_space))
    wait(shot, FILLED, FILLED)
    local index = session.lib.ck_fact(shot.frame, CK.CK_FACT_SCREEN)
    local screen = controls.row("screen").choices[index + 1]
    if not screen then
        fail("the plate has neither a green nor a blue screen that can be told; set Screen by hand.")
    end
    shot.screen, shot.values.screen = index, screen
end

local function send_value(shot, row, value)
    local lib = session.lib
    if row.kind == "choice" then
        check(lib.ck_word(shot.frame, row.name, value))
    elseif row.kind == "bool" then
        check(lib.ck_flag(shot.frame, row.name, value and 1 or 0))
    else
        check(lib.ck_number(shot.frame, row.name, value))
    end
end

-- Key. No node is named: Fusion renders frames of one tool side by side and wants all; it stops what it does not.
local function submit(shot)
    for _, row in ipairs(protocol.params) do
        local value = shot.values[row.name]
        if row.stage ~= "view" and value ~= row.default then
            send_value(shot, row, value)
        end
    end
    local priority = shot.host.is_batch and CK.CK_PRIORITY_BATCH or CK.CK_PRIORITY_INTERACTIVE
    check(session.lib.ck_submit(shot.frame, shot.contents, priority, "", shot.number))
    wait(shot, FILLED, ANSWERED)
end

-- Whether the foreground comes back in a linear space: those that it can be asked for are, but for the plate's own.
local function is_linear(values)
    if values.output_space ~= SAME_SPACE then
        return true
    end
    for _, word in ipairs(controls.row("output_space").choices) do
        if word == values.working_space then
            return true
        end
    end
    return false
end

-- Return the images that come out.
local function show(shot)
    local host, ffi, view = shot.host, session.ffi, shot.values.output
    local out, hint = plane_of(shot, CK.CK_PLANE_OUT), view == "hint" and plane_of(shot, CK.CK_PLANE_HINT) or nil
    pixels.trim(host, ffi, shot.plate, out, 4)
    if hint then
        pixels.trim(host, ffi, shot.plate, hint, 1)
    end
    local shown, foreground, matte = pixels.show(host, ffi, shot.float_plate, view, out, hint, is_linear(shot.values))
    host.set_progress(1)
    return { output = shown, foreground = foreground, matte = matte }
end

local function hint_in_words(shot)
    if shot.values.hint_source == "source_alpha" then
        return "the plate's alpha"
    end
    if not shot.hint then
        return "from the screen's color"
    end
    local empty = session.lib.ck_fact(shot.frame, CK.CK_FACT_EMPTY) ~= 0
    return ("AlphaHint (%s)%s"):format(shot.channel, empty and ", which is empty" or "")
end

-- Return what the frame was keyed with, in a line.
local function describe(shot)
    local values = shot.values
    local parts = {
        ("frame %d: %s screen%s"):format(shot.number, values.screen, shot.screen and " (detected)" or ""),
        "plate " .. controls.label_of("working_space", values.working_space)
            .. (shot.is_assumed and " (assumed)" or ""),
        "hint " .. hint_in_words(shot),
    }
    for _, matte in ipairs(MATTES) do
        if shot.images[matte.name] then
            parts[#parts + 1] = ("%s (%s)"):format(matte.label, shot.channels[matte.name])
        end
    end
    parts[#parts + 1] = controls.label_of("quality", values.quality)
    parts[#parts + 1] = ("daemon %.2f s"):format(session.lib.ck_fact(shot.frame, CK.CK_FACT_SECONDS))
    local notes = { table.concat(parts, ", ") }
    if pixels.is_alone() then
        notes[#notes + 1] = "Fusion's workers do nothing, so pixels go through one thread"
    end
    for note in session.text(session.lib.ck_notes, shot.frame):gmatch("[^\n]+") do
        notes[#notes + 1] = note
    end
    return table.concat(notes, "; ")
end

local function key(shot, request)
    begin(shot, request)
    session.open(shot.host)
    open_slot(shot)
    fill(shot)
    if request.detect then
        detect(shot)
    end
    submit(shot)
    local made = show(shot)
    made.status, made.screen = describe(shot), shot.screen
    return made
end

local function release(shot)
    if shot.frame then
        session.lib.ck_release(shot.frame)
        shot.frame = nil
    end
end

-- Key one frame.
-- request: images = {plate, hint, inside, outside}: nil where nothing is wired, false where what is wired has none;
--   values = numbers of the controls by the names of the parameter table, missing ones are the default; number = the
--   frame's; detect = whether to find out the screen first.
-- Returns {output, foreground, matte: images; status: a line; screen: what was detected, as the control's number}, or
-- nil and a sentence, or nil alone if the host stopped it.
function corridorkey.key(host, request)
    local shot = { host = host, number = request.number, channels = {} }
    local is_keyed, result = pcall(key, shot, request)
    local is_released, thrown = pcall(release, shot)
    if is_keyed and is_released then
        return result
    end
    local problem = is_keyed and thrown or result
    if problem == pixels.STOPPED or host.is_stopped() then -- some hosts stop by an error in whatever is called
        return nil
    end
    return nil, session.sentence_of(problem)
end

-- Run one of the starter, whose ways into the system may fail by an error.
local function try(run, ...)
    local is_done, line, sentence = pcall(run, ...)
    if is_done then
        return line, sentence
    end
    return nil, session.sentence_of(line)
end

-- Return a line about the daemon: device, model, quality, process, version; or nil and a sentence. Where no daemon runs
-- and `ckey start` was tried from here, it is that of `ckey start`.
function corridorkey.describe_daemon(host)
    local line, sentence, is_down = session.describe(host)
    if line then
        starter.forget()
        return line
    end
    return nil, is_down and try(starter.complaint) or sentence
end

-- Start the daemon if none runs. Returns a line to be shown, or nil and a sentence.
function corridorkey.start_daemon(host)
    local line, sentence, is_down = session.describe(host)
    if is_down then
        return try(starter.start, host.fuses)
    end
    return line, sentence
end

return corridorkey
