"""The fake Nuke reads scripts as Nuke does, words, stack, groups and knobs, and evaluates their Tcl and expressions."""

from typing import Any

import pytest

from nukehost import LoadError, NukeError, NukeHost, ScriptError
from nukehost.script import NodeText, parse, write
from nukehost.tcl import TclError

GROUP = r"""
# a comment { that is not closed
Group {
 name G
 addUserKnob {20 tab l "A tab"}
 addUserKnob {4 mode l "the \"mode\"" t "one\ntwo" M {Live "matte only" Cached}}
 mode "matte only"
 addUserKnob {7 amount R -1 2.5}
 amount 0.5
 addUserKnob {3 whole}
 whole {{"amount * 4"}}
 addUserKnob {6 on -STARTLINE +INVISIBLE}
 on true
 addUserKnob {22 go l Go T "try:\n    a = \{\}\nexcept KeyError:\n    print(\"\[x]\")\n" +STARTLINE}
 addUserKnob {26 ""}
 addUserKnob {41 gain l gain T Gain.white}
 addUserKnob {2 file}
 file "\[file dirname \[value root.name]]/\[value name].%04d.exr"
 addUserKnob {1 said}
 said "\[value mode] \[value on] \[value whole] \[format %.3g \[value amount]] \\\[x\\] \\\$5"
}
 Input {
  inputs 0
  name one
 }
set N1 [stack 0]
 Grade {
  white {{parent.amount i}}
  name Gain
 }
push 0
 Input {
  inputs 0
  number 1
  name two
 }
push $N1
 Copy {
  inputs 2
  name Both
 }
 Crop {
  box {0 {input.height/2} {"\[value parent.whole]"} 9}
  name Cut
 }
 Output {
  name Output1
 }
end_group
"""


def node(text: str, name: str) -> NodeText:
    """Return a node of a script."""
    return next(one for one in parse(text).walk() if one.name == name)


def test_the_last_push_is_input_zero() -> None:
    """Nodes pop what they take: the top of the stack is input 0, and `push 0` is nothing."""
    both = node(GROUP, "Both")
    assert [one and one.name for one in both.inputs] == ["one", "two"]
    assert [one and one.name for one in node(GROUP, "Cut").inputs] == ["Both"]
    assert node("push 0\npush 0\nCopy {\n inputs 2\n name C\n}\n", "C").inputs == [None, None]


def test_a_mask_is_the_last_input() -> None:
    """Of `inputs 2+1` the mask lies deepest."""
    text = "".join(f"Dot {{\n inputs 0\n name {name}\n}}\n" for name in "MAB") + "Merge2 {\n inputs 2+1\n name X\n}\n"
    assert [one and one.name for one in node(text, "X").inputs] == ["B", "A", "M"]


def test_knobs_are_read_as_they_are_written() -> None:
    """Quoted text loses its escapes, braces keep what is in them, and arrays tell their expressions."""
    group = parse(GROUP).nodes[0]
    go, mode = group.user_knobs["go"], group.user_knobs["mode"]
    assert go.script == 'try:\n    a = {}\nexcept KeyError:\n    print("[x]")\n'
    assert (mode.label, mode.tooltip, mode.menu) == ('the "mode"', "one\ntwo", ["Live", "matte only", "Cached"])
    assert (group.user_knobs["amount"].low, group.user_knobs["amount"].high) == (-1, 2.5)
    assert group.user_knobs["on"].flags == ["-STARTLINE", "+INVISIBLE"]
    assert group.text("file") == "[file dirname [value root.name]]/[value name].%04d.exr"
    assert node(GROUP, "Cut").knobs["box"].expressions == [None, "input.height/2", "[value parent.whole]", None]


@pytest.mark.parametrize("spaces", [" ", "\n  ", " \\\n "])
def test_a_body_may_stand_on_one_line(spaces: str) -> None:
    """Line ends in braces are as good as spaces."""
    assert node(f"Dot {{{spaces}name{spaces}D{spaces}xpos -3{spaces}}}", "D").text("xpos") == "-3"


def test_a_header_of_a_paste_is_known() -> None:
    """What Nuke puts before a pasted script sets a name although nothing is on the stack."""
    text = "set cut_paste_input [stack 0]\nversion 16.0 v8\npush $cut_paste_input\nDot {\n name D\n}\n"
    assert parse(text).version == "16.0 v8"
    assert node(text, "D").inputs == [None]


BROKEN = [
    ("push $N1\n", 1, "push of $N1, which is not set"),
    ("Dot {\n inputs 0\n}\nGroup {\n}\n Dot {\n  inputs 0\n }\nset N1 [stack 0]\nend_group\npush $N1\n", 11, "not set"),
    ("set N1 [stack 0]\n", 1, "nothing is on the stack"),
    ("Group {\n name G\n}\n Dot {\n  name D\n }\nend_group\n", 4, "the stack is empty"),
    ("Group {\n name G\n}\n", 1, "has no end_group"),
    ("end_group\n", 1, "without a group"),
    ('Dot {\n inputs 0\n label "[value x]"\n}\n', 3, "'[' in a quoted text is not escaped"),
    ('Dot {\n inputs 0\n label "a $gui"\n}\n', 3, "'$' in a quoted text is not escaped"),
    ('Dot {\n inputs 0\n label "a {b}"\n}\n', 3, "'{' in a quoted text is not escaped"),
    ("Dot {\n inputs 0\n label a[b]\n}\n", 3, "'[' in a bare word"),
    ('Dot {\n inputs 0\n label "\\q"\n}\n', 3, "unknown escape"),
    ('Dot {\n inputs 0\n label "a"b\n}\n', 3, "without a space"),
    ('Dot {\n inputs 0\n label "a\n}\n', 3, "never closed"),
    ("Dot {\n inputs 0\n", 1, "never closed"),
    ("Dot {\n inputs 0\n name\n}\n", 3, "a knob and its value"),
    ("Dot {\n inputs 0\n name D\n}\nDot {\n inputs 0\n name D\n}\n", 5, "two nodes D"),
    ("Dot {\n inputs x\n}\n", 1, "inputs is 'x'"),
    ("clone $x {\n}\n", 1, "does not know the command clone"),
    ("add_layer {a b.red}\n", 1, "add_layer takes"),
    ("Dot {\n inputs 0\n addUserKnob {7 a Q}\n}\n", 3, "does not know Q"),
]


@pytest.mark.parametrize(("text", "line", "part"), BROKEN, ids=[part for _, _, part in BROKEN])
def test_what_nuke_would_not_read(text: str, line: int, part: str) -> None:
    """A broken script is refused with the line where it breaks."""
    with pytest.raises(ScriptError) as caught:
        parse(text)
    assert caught.value.line == line
    assert part in str(caught.value)


def test_a_tree_is_written_and_read_again() -> None:
    """What is written gives the same tree."""

    def seen(text: str) -> list[Any]:
        return [
            (one.kind, one.name, [other and other.name for other in one.inputs], one.user_knobs.keys(),
             {name: knob.text for name, knob in one.knobs.items() if name != "inputs"})
            for one in parse(text).walk()
        ]  # fmt: skip

    assert seen(write(parse(GROUP))) == seen(GROUP)


def test_a_project_is_saved_and_loaded_again() -> None:
    """Knobs, expressions, animation, user knobs, wires and layers survive a save."""
    with NukeHost() as host:
        host.load(GROUP)
        host.create("Constant", name="Plate", color=0.25)
        host.connect("G", 0, "Plate")
        host.animate("G.amount", {1: 0, 11: 1})
        host.set("G.mode", "Cached")
        first = host.save()
        host.load(first)
        assert host.save() == first
        assert [host.node("G").input(0).name(), host.get("G.mode")] == ["Plate", "Cached"]
        host.go_to(6)
        assert host.get("G.amount") == 0.5
        assert host.get("G.gain") == 0.5


def test_values_of_all_kinds() -> None:
    """Tcl, expressions, links, enumerations and flags give what Nuke gives."""
    with NukeHost() as host:
        host.load(GROUP)
        host.set("root.name", "/show/shot.nk")
        assert host.get("G.file") == "/show/G.%04d.exr"
        assert host.get("G.said") == "matte only true 2 0.5 [x] $5"
        assert [host.get("G.whole"), host.get("G.on"), host.get("G.gain")] == [2, True, 0.5]
        host.set("G.gain", 2.0)
        assert host.get("G.Gain.white") == 0.5, "a link does not break the expression of what it links to"


TCL = [
    ("[string equal {a b} \"a b\"]", "1"),
    ("[string equal a b]", "0"),
    ("[file dirname /a/b.exr] [file tail /a/b.exr] [file rootname b.exr]", "/a b.exr b"),
    ("[file dirname b.exr]", "."),
    ("[format %04d 7] [format %.6g 0.1234567] [format %s-%s a b]", "0007 0.123457 a-b"),
    ("[expr 7/2] [expr 7/4.5] [expr {1 ? 3 : 4}] [expr true?1:0]", "3 1.55555555556 3 1"),
    ("[if {1 == 1} {return yes} else {return no}]", "yes"),
    ("[exists Plate] [exists Plate.color] [exists Plate.no] [exists parent.input1] [exists input0]", "1 1 0 0 0"),
    ("$gui", "1"),
    ("\\[a\\]\\$", "[a]$"),
    ("[metadata -n Plate exr/owner]", ""),
    ("[value Plate.color] [knob Plate.name]", "0.25 0.25 0.25 0.25 Plate"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "result"), TCL)
def test_tcl(text: str, result: str) -> None:
    """Commands that gizmos use."""
    with NukeHost() as host:
        host.create("Constant", name="Plate", color=0.25)
        host.create("NoOp", name="N", label=text)
        assert host.get("N.label") == result


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[python 1]", "[python 1]"),
        ("[string toupper a]", "[string toupper]"),
        ("[value nothing.x]", "nothing.x"),
        ("$nothing", "$nothing"),
        ("[expr amount]", "[value amount]"),
        ("[value label", "never closed"),
        ("[format %q 1]", "[format %q]"),
    ],
)
def test_tcl_that_the_fake_does_not_know(text: str, part: str) -> None:
    """It is named instead of being guessed at."""
    with NukeHost() as host:
        host.create("NoOp", name="N", label=text)
        with pytest.raises((NukeError, TclError)) as caught:
            host.get("N.label")
        assert part in str(caught.value)


EXPRESSIONS = [
    ("1 + 2 * 3 - 4 / 8", 6.5),
    ("-2 ** 2 + 7 % 4", -1),
    ("!0 && 2 > 1 || nothing.there", 1),
    ("1 == 1 ? frame : nothing.there", 3),
    ("max(1, min(5, 4), abs(-6)) + int(-1.5) + rint(2.5)", 7),
    ("0x10 + 1e1", 26),
    ("$gui && root.first_frame", 1),
    ("[exists this.input0] ? 1 : 3", 3),
    ("Plate.width + parent.last_frame + this.xpos", 1920 + 100),
    ("Plate.color.g*4", 1),
    ("pow(2, 3) + clamp(7, 0, 1) + floor(1.7) + ceil(0.2)", 11),
]


@pytest.mark.parametrize(("text", "value"), EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_expressions(text: str, value: float) -> None:
    """Operators, functions and names; what is not needed is not looked at."""
    with NukeHost() as host:
        host.go_to(3)
        host.create("Constant", name="Plate", color=0.25)
        host.create("Grade", name="N").knob("white").setExpression(text)
        assert host.get("N.white") == value


@pytest.mark.parametrize(
    "text", ["nothing.there", "Plate.label", "cos(1)", "1 +", "(1", "1 2", "a ? b", "[value name]", "Plate.color ~ 1"]
)
def test_expressions_that_the_fake_does_not_know(text: str) -> None:
    """They are errors of the node that has them."""
    with NukeHost() as host:
        host.create("Constant", name="Plate")
        host.create("Grade", name="N").knob("white").setExpression(text)
        with pytest.raises(NukeError, match=r"N\.white"):
            host.get("N.white")


def test_expressions_that_refer_to_each_other() -> None:
    """A circle is an error, and no crash."""
    with NukeHost() as host:
        for name, other in (("A", "B"), ("B", "A")):
            host.create("Grade", name=name).knob("white").setExpression(f"{other}.white")
        with pytest.raises(NukeError, match="circle"):
            host.get("A.white")


def test_names_resolve_in_the_group() -> None:
    """An inner node sees its neighbors and its group; the group sees its own nodes by `this` only."""
    with NukeHost() as host:
        host.load(GROUP)
        host.create("NoOp", name="Gain", label="outside")
        host.create("NoOp", name="Alone")
        host.set("G.label", "[value this.Gain.white]")
        assert host.get("G.label") == "0.5"
        host.set("G.label", "[value Gain.label]")
        assert host.get("G.label") == "outside"
        host.set("G.label", "[value Both.bbox]")
        with pytest.raises(NukeError, match=r"this\.Both\.bbox"):
            host.get("G.label")
        host.set("G.Both.label", "[value Alone.name]")
        with pytest.raises(NukeError, match="Alone"):
            host.get("G.Both.label")


REFUSED = [
    ("Dot {\n inputs 0\n size 3\n}\n", "has no knob size"),
    ("Write {\n inputs 1\n compression none\n}\n", "before file_type is exr"),
    ('Write {\n inputs 1\n file_type exr\n compression "Zip"\n}\n', "cannot be 'Zip'"),
    ("Read {\n inputs 0\n before error\n}\n", "it has hold, loop, bounce, black"),
    ("Remove {\n inputs 1\n channels ck_hint\n}\n", "ck_hint is no layer"),
    ("Copy {\n inputs 2\n to0 ck_hint.red\n}\n", "ck_hint.red is no channel"),
    ("Remove {\n channels ck_hint\n}\nadd_layer {ck_hint ck_hint.red}\n", "ck_hint is no layer"),
    ("push 0\npush 0\nGroup {\n inputs 0\n}\n push 0\n push 0\n Crop {\n  inputs 2\n }\nend_group\n", "has 2 inputs"),
    ("Dot {\n inputs 0\n disable {{1} {2}}\n}\n", "has 1 values, not 2"),
    ("Group {\n inputs 0\n name G\n}\n Dot {\n  inputs 0\n }\nend_group\n", "has 0 Output nodes"),
    ("Group {\n inputs 0\n}\n Output {\n  inputs 0\n }\n Output {\n  inputs 0\n }\nend_group\n", "has 2 Output nodes"),
    ("Group {\n inputs 0\n}\n Input {\n  inputs 0\n  number 1\n }\n Output {\n }\nend_group\n", "are numbered [1]"),
    ("NoOp {\n inputs 0\n addUserKnob {3 a}\n addUserKnob {3 a}\n}\n", "has a knob a already"),
    ("NoOp {\n inputs 0\n addUserKnob {4 a}\n}\n", "without a menu"),
    ("NoOp {\n inputs 0\n addUserKnob {99 a}\n}\n", "type 99"),
    ("NoOp {\n inputs 0\n addUserKnob {4 a M {x y}}\n a z\n}\n", "it has x, y"),
    ("Group {\n inputs 0\n addUserKnob {41 a T B.c}\n}\n Input {\n  inputs 0\n }\n Output {\n }\nend_group\n", "B.c"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "part"), REFUSED, ids=[f"{number}" for number, _ in enumerate(REFUSED)])
def test_what_nuke_would_not_load_as_meant(text: str, part: str) -> None:
    """Knobs, words, channels and inputs that are not there are errors."""
    with NukeHost() as host, pytest.raises(LoadError) as caught:
        host.load(text)
    assert part in str(caught.value)


UNKNOWN = """Constant {
 inputs 0
 name First
}
Constant {
 inputs 0
 name Second
}
OFXnobody.knows_v1 {
 size 3
 name Strange
}
Dot {
 name After
}
"""


def test_a_placeholder_for_an_unknown_class() -> None:
    """It says so, takes its inputs and knobs, and cannot be rendered."""
    with NukeHost() as host:
        host.load(UNKNOWN)
        assert "'OFXnobody.knows_v1': unknown command" in host.messages[0]
        assert host.node("Strange").input(0).name() == "Second"
        assert "Strange: Can't render from that Node" in host.error("After")
        host.load(host.save())
        assert host.node("Strange")["size"].value() == "3"


def test_a_nuke_without_placeholders() -> None:
    """Where nothing stands for an unknown class the stack is another one."""
    with NukeHost(placeholder=False) as host:
        host.load(UNKNOWN)
        assert len(host.messages) == 1
        assert host.node("After").input(0).name() == "Second"
        assert host.project.root.find("Strange") is None
