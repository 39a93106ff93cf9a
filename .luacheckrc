-- What luacheck holds the Lua sources to: LuaJIT, and the globals of Fusion where a file is Fusion's.
std = "luajit"
max_line_length = 120

local fusion = {
    read_globals = {
        "CT_Tool", "FuRegisterClass", "IMDP_128bitFloat", "IMDP_32bitFloat", "Image", "Number", "PixPtr", "Pixel",
        "Text", "self",
    },
}

-- A fuse defines what Fusion calls, and keeps its pins in globals, which are the tool's own.
files["resolve_fuse/*.fuse"] = {
    read_globals = fusion.read_globals,
    globals = {
        "Create", "NotifyChanged", "PreCalcProcess", "Process",
        "InAlphaHint", "InCheck", "InDetect", "InGarbageMatte", "InInput", "InParameters", "InRekey", "InRevision",
        "InSolidMatte", "InStart", "InStatus", "IsDetecting", "LastRevision", "OutForeground", "OutMatte", "OutOutput",
    },
}
