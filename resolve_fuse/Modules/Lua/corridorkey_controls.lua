-- SPDX-License-Identifier: Apache-2.0
-- The parameter table as Fusion's controls, and their values as parameters. Knows of Fusion the names of attributes.
local params = require("corridorkey_params").params

local controls = {}

-- A row that no group names goes into the last one.
local GROUPS = {
    { id = "ScreenGroup", label = "Screen", is_open = true, "screen", "working_space", "quality" },
    {
        id = "HintGroup", label = "Hint", is_open = true,
        "hint_source", "hint_channel", "hint_invert", "hint_erode", "hint_blur",
    },
    {
        id = "MatteGroup", label = "Matte", is_open = false,
        "refiner_scale", "despeckle", "despeckle_size", "matte_black", "matte_white", "matte_gamma", "matte_grow",
        "matte_blur",
    },
    {
        id = "ForegroundGroup", label = "Foreground", is_open = false,
        "despill", "foreground_source", "highlight_restore", "gamut_restore",
    },
    { id = "OutputGroup", label = "Output", is_open = true, "output", "output_space" },
}

-- Fusion hands out whole frames only: there is nothing beyond the frame to key.
local LEFT_OUT = { overscan = true }

-- Ids and labels that are not the table's: Output is the name of the tool's output.
local IDS = { output = "OutputMode" }
local LABELS = { working_space = "Input is", output = "Output Mode" }

local WIDE = 1000

-- Return the id of a parameter's input, which is permanent: comps keep it.
function controls.id_of(name)
    return IDS[name] or (name:gsub("%f[%l]%l", string.upper):gsub("_", ""))
end

local function index_of(words, wanted)
    for index, word in ipairs(words) do
        if word == wanted then
            return index - 1
        end
    end
    error("the parameter table has no choice " .. tostring(wanted))
end

local function choice_attributes(row)
    local last = #row.choices - 1
    local attributes = {
        INPID_InputControl = "ComboControl",
        INP_Default = index_of(row.choices, row.default),
        INP_Integer = true,
        -- Not limited: a choice of a newer version is to be told, and not to become another one.
        INP_MinScale = 0,
        INP_MaxScale = last,
    }
    for _, label in ipairs(row.labels) do
        attributes[#attributes + 1] = { CCS_AddString = label }
    end
    return attributes
end

local function bool_attributes(row)
    return {
        INPID_InputControl = "CheckboxControl",
        INP_Default = row.default and 1 or 0,
        INP_Integer = true,
        INP_MinScale = 0,
        INP_MaxScale = 1,
    }
end

local function float_attributes(row)
    return {
        INPID_InputControl = "SliderControl",
        INP_Default = row.default,
        INP_MinScale = row.low,
        -- A slider over all of a wide range cannot be aimed.
        INP_MaxScale = row.high > WIDE and 5 * row.default or row.high,
        INP_MinAllowed = row.low,
        INP_MaxAllowed = row.high,
    }
end

local MAKERS = { choice = choice_attributes, bool = bool_attributes, float = float_attributes }

-- Return what artists read on a parameter's control.
function controls.title_of(row)
    return LABELS[row.name] or row.label
end

local function input_of(row)
    local attributes = MAKERS[row.kind](row)
    attributes.LINKID_DataType = "Number"
    attributes.INPS_StatusText = row.tooltip
    attributes.INP_External = row.kind == "float" -- whether it can be animated and connected
    return { name = row.name, label = controls.title_of(row), id = controls.id_of(row.name), attrs = attributes }
end

local function group_of(name)
    for _, group in ipairs(GROUPS) do
        for _, member in ipairs(group) do
            if member == name then
                return group
            end
        end
    end
    return GROUPS[#GROUPS]
end

-- Return the groups of controls from top to bottom: {id, label, is_open, inputs = {{name, label, id, attrs}, ...}}.
function controls.groups()
    local made = {}
    for _, group in ipairs(GROUPS) do
        local inputs = {}
        for _, row in ipairs(params) do
            if group_of(row.name) == group and not LEFT_OUT[row.name] then
                inputs[#inputs + 1] = input_of(row)
            end
        end
        made[#made + 1] = { id = group.id, label = group.label, is_open = group.is_open, inputs = inputs }
    end
    return made
end

-- Return the row of a parameter.
function controls.row(name)
    for _, row in ipairs(params) do
        if row.name == name then
            return row
        end
    end
    error("there is no parameter " .. name)
end

-- Return what a control's number means: a word of the table, true or false, or the number itself; nil if the table has
-- no such choice.
function controls.value_of(row, number)
    if row.kind == "choice" then
        return row.choices[math.floor(number + 0.5) + 1]
    end
    if row.kind == "bool" then
        return number > 0.5
    end
    return number
end

-- Return what artists read for a word of a choice.
function controls.label_of(name, word)
    local row = controls.row(name)
    return row.labels[index_of(row.choices, word) + 1]
end

return controls
