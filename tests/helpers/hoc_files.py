"""Small hoc files that NEURON loads, as text by name."""

import random

SOMA = "pt3dadd(0, 0, 0, 20) pt3dadd(0, 20, 0, 18)"
DEND = "pt3dadd(0, 20, 0, 2) pt3dadd(0, 80, 9, 1.5) pt3dadd(3, 130, 9, 1)"
CELL = f"create soma, dend\nconnect dend(0), soma(0.5)\nsoma {{ {SOMA} }}\ndend {{ {DEND} }}\n"


def _lines(statements: str) -> str:
    return statements.replace(" pt3d", "\npt3d") + "\n"


FILES: dict[str, str] = {
    "blocks": CELL,
    "braces": f"{{create soma}}\n{{access soma}}\n{{{SOMA}}}\n{{create dend_1}}\n{{connect dend_1(0), soma(0.5)}}\n"
    f"{{access dend_1}}\n{{{DEND}}}\n",
    "one_statement_a_line": f"create soma\ncreate dend\naccess soma\n{_lines(SOMA)}access dend\n{_lines(DEND)}"
    "connect dend(0), soma(.5)\n",
    "first_section_without_access": f"create soma, dend\n{_lines(SOMA)}connect dend(0), soma(.5)\naccess dend\n{_lines(DEND)}",
    "prefix_a_line": "create soma, dend\nsoma pt3dadd(0,0,0,9)\nsoma pt3dadd(0,9,0,9)\ndend pt3dadd(0,9,0,1)\n"
    "dend pt3dadd(0,30,0,1)\nconnect dend(0), soma(0.5)\n",
    "prefix_after_access": f"{CELL}access dend\npt3dadd(9,150,9,1)\nsoma {{ pt3dadd(0,30,0,20) }}\npt3dadd(9,170,9,1)\n",
    "blocks_in_blocks": f"create soma, dend\nsoma {{ pt3dadd(0,0,0,9) dend {{ {DEND} }} pt3dadd(0,7,0,9) {{ {{ pt3dadd(0,9,0,9) }} }} }}\n"
    "connect dend(0), soma(0.5)\n",
    "access_in_a_block": "create soma, dend\nconnect dend(0), soma(0.5)\naccess soma\ndend { access dend\npt3dadd(0,0,9,1)\n"
    "access soma\npt3dadd(0,0,0,9) }\npt3dadd(0,0,9,9)\ndend pt3dadd(0,0,30,1)\n",
    "clear": f"{CELL}soma {{ pt3dclear() pt3dadd(0,0,0,5) pt3dadd(0,0,30,5) }}\n",
    "clear_with_a_number": f"{CELL}dend {{ pt3dadd(9,9,9,9) pt3dclear(8) {DEND} }}\n",
    "change": f"{CELL}dend {{ pt3dchange(1, 7) pt3dchange(0, 1, 2, 3, 4) }}\n",
    "insert": f"{CELL}dend {{ pt3dinsert(1, 9, 40, 5, 3) pt3dinsert(4, 9, 200, 5, 3) pt3dinsert(0, 1, 1, 1, 1) }}\n",
    "remove": f"{CELL}dend {{ pt3dremove(1) pt3dadd(9,200,9,1) pt3dremove(0) }}\n",
    "array": f"create soma, dend[3]\nsoma {{ {SOMA} }}\nconnect dend[0](0), soma(.5)\nconnect dend[1](0), dend[0](1)\n"
    f"connect dend[2](0), dend(0.5)\ndend {{ {DEND} }}\ndend[1] {{ {DEND} pt3dadd(8,8,8,1) }}\n"
    f"access dend[2]\n{_lines(DEND)}pt3dadd(1,1,1,1)\n",
    "array_of_one": f"create soma[1], dend[1]\nconnect dend(0), soma(0.5)\nsoma {{ {SOMA} }}\naccess dend\n{_lines(DEND)}",
    "array_with_blanks": "create soma [1], dend [ 2 ]\nconnect dend [ 0 ] ( 0 ) , soma ( 0.5 )\nconnect dend[1] (0), dend [0] (1)\n"
    f"soma {{ {SOMA} }}\ndend [ 0 ] {{ {DEND} }}\ndend[1] {{ {DEND} pt3dadd ( 1 , 1 , 1 , 1 ) }}\n",
    "connect_child_second": f"create soma, dend\nsoma {{ {SOMA} }}\ndend {{ {DEND} }}\nsoma connect dend(0), 0.5\n",
    "connect_in_a_block": f"create soma, dend, apical\nsoma {{ {SOMA} connect dend(0), 0.5\n connect apical(0), 1/2 }}\ndend {{ {DEND} }}\n"
    f"apical {{ {DEND} pt3dadd(1,2,3,1) }}\n",
    "connect_to_the_accessed": f"create soma, dend\naccess soma\nconnect dend(0), 0.5\nsoma {{ {SOMA} }}\ndend {{ {DEND} }}\n",
    "connect_at_any_place": f"{CELL}create dend_1, dend_2\nconnect dend_1(0), dend(0.25)\nconnect dend_2(0), dend(1)\n"
    f"dend_1 {{ {DEND} pt3dadd(5,5,5,1) }}\ndend_2 {{ {DEND} pt3dadd(6,6,6,1) }}\n",
    "connect_again": f"{CELL}create dend_1\ndend_1 {{ {DEND} pt3dadd(5,5,5,1) }}\nconnect dend_1(0), dend(0.25)\nconnect dend_1(0), dend(1)\n",
    "disconnect": f"{CELL}create dend_1\ndend_1 {{ {DEND} pt3dadd(5,5,5,1) }}\nconnect dend_1(0), dend(0.25)\n"
    "dend_1 disconnect()\nconnect dend_1(0), dend(.75)\n",
    "by_the_1_end": f"{CELL}create dend_1, dend_2\nconnect dend_1(1), dend(1)\nconnect dend_2(0), dend_1(0)\n"
    f"dend_1 {{ {DEND} pt3dadd(5,5,5,1) }}\ndend_2 {{ {DEND} pt3dadd(6,6,6,1) }}\n",
    "by_the_1_end_on_the_soma": f"create soma, dend, dend_1\nconnect dend(1), soma(0.5)\nconnect dend_1(0), dend(0.25)\nsoma {{ {SOMA} }}\n"
    f"dend {{ {DEND} }}\ndend_1 {{ {DEND} pt3dadd(5,5,5,1) }}\n",
    "numbers": "create soma, dend\nconnect dend(0), soma(2/4)\nsoma { pt3dadd(1.,.5,1e1,1.e0) pt3dadd(-1,-.5,1E-1,2e+0) }\n"
    "dend { pt3dadd(2*3-1, (4+2)/3, -2^2, sqrt(4)) pt3dadd(7%4, 2^3^2, PI, abs(-1)) pt3dadd(int(2.7), exp(1), log(10), 1) }\n",
    "variables": "n = 2\nx = 10\nx += 5\nx *= n\ncreate soma, dend[n+1]\nsoma { pt3dadd(0,0,0,n) pt3dadd(x,0,0,n) }\n"
    "for i = 0, n {\n connect dend[i](0), soma(0.5)\n dend[i] { pt3dadd(x, i, 0, 1) pt3dadd(x+20, i*10, 0, 1) }\n}\n",
    "for_one_statement": "create soma, dend\nconnect dend(0), soma(.5)\naccess soma\nfor i=0,3 pt3dadd(i*5, 0, 0, 9-i)\naccess dend\n"
    "for i=0,3 { pt3dadd(i*5, 0, i, 1) }\n",
    "for_in_for": "create soma, dend\nconnect dend(0), soma(.5)\nsoma { for i=0,1 for j=0,2 pt3dadd(i*5, j, 0, 9) }\ndend { for i=1,2 { pt3dadd(i,i,i,i)\n"
    "pt3dadd(-i,i,i,i) } }\n",
    "forall": f"{CELL}forall {{ nseg = 3 Ra = 100 insert pas }}\nforall pt3dadd(1, 300, 1, 1)\n",
    "comments": f"/* create dend_9 */ {CELL}// pt3dadd(9,9,9,9)\nsoma {{ /* pt3dadd(9,9,9,9) */ pt3dadd(0,40,0,9) // )\n}}\n/* one\ntwo */\n",
    "texts": 'strdef color, other\ncolor = "create dend_9 // no"\nother = "}"\n' + CELL,
    "declarations": "objref a, b[2], c\ndouble x[3]\nx[1] = 4\na = new Vector(3)\n" + CELL,
    "range_variables": f"{CELL}soma.nseg = 3\ndend {{ nseg = 5 Ra = 150 cm = 2 insert pas g_pas = .001\n e_pas(0.5) = -70 uninsert pas }}\n"
    "soma { v = -70 }\ncelsius = 34\n",
    "prints": f'{CELL}print "hello", 3\nprint 4\nprintf("%g\\n", 5)\n{{print "x"}}\n',
    "styles": f"{CELL}dend {{ pt3dstyle(1, 0, 10, 0) pt3dconst(0) }}\n",
    "libraries": 'load_file("stdlib.hoc")\n{load_file("stdrun.hoc")}\n' + CELL,
    "procedures_not_called": "proc never() { local i\n create dend_9\n { pt3dadd(1,2,3,4) } }\nfunc two() { return 2 }\n"
    + CELL,
    "forsec": f'{CELL}forsec "dend" {{ nseg = 3 insert pas }}\n',
    "continued_lines": "create soma, \\\n dend\nconnect dend(0), \\\nsoma(0.5)\n"
    + f"soma {{ {SOMA} }}\ndend {{ {DEND} }}\n",
    "line_ends": CELL.replace("\n", "\r\n"),
    "blank_lines": "\n\n" + CELL.replace("\n", "\n\n   \n\t\n"),
    "no_last_line_end": CELL.rstrip("\n"),
    "reading": f"{CELL}access soma\nx = n3d()\ny = arc3d(0) + 1\nx3d(0)\n",
}
"""Every file."""


def random_hoc(seed: int) -> str:
    """Statements of all kinds on a few sections, in a random order, that NEURON loads."""
    draw = random.Random(seed)
    names = ["soma", "dend[0]", "dend[1]", "apical", "axon_1"]
    lines = ["create soma, dend[2]", "create apical", "{create axon_1}", "access soma"]
    counts = dict.fromkeys(names, 0)

    def number() -> str:
        return draw.choice(["{}", "{}.", "-{}", "({}+1)", "{}/4", "2*{}", "{}e-1"]).format(
            draw.randint(1, 60)
        )

    def point(name: str) -> str:
        xyz = ", ".join(number() for _ in range(3))
        size = f"{draw.randint(1, 9)}{draw.choice(['', '.5', '/2'])}"
        what = draw.choice(["add", "add", "add", "insert", "change", "change2", "remove", "clear"])
        if what == "clear" and draw.random() < 0.5:
            counts[name] = 0
            return "pt3dclear()"
        if what in ("insert", "change", "change2", "remove") and counts[name] > 1:
            at = draw.randrange(counts[name])
            counts[name] += {"insert": 1, "remove": -1}.get(what, 0)
            return {
                "insert": f"pt3dinsert({at}, {xyz}, {size})",
                "change": f"pt3dchange({at}, {xyz}, {size})",
                "change2": f"pt3dchange({at}, {size})",
                "remove": f"pt3dremove({at})",
            }[what]
        counts[name] += 1
        return f"pt3dadd({xyz}, {size})"

    accessed = "soma"
    for _ in range(20):
        name = draw.choice(names)
        form = draw.choice(["prefix", "block", "access", "accessed", "loop"])
        if form == "prefix":
            lines.append(f"{name} {point(name)}")
        elif form == "block":
            lines.append(
                f"{name} {{ {point(name)} {draw.choice(['', 'nseg = 3 ', '/* no */ '])}{point(name)}\n{point(name)} }}"
            )
        elif form == "access":
            lines.append(draw.choice(["access {}", "{{access {}}}"]).format(name))
            accessed = name
        elif form == "accessed":
            lines.append(f"{{ {point(accessed)} {point(accessed)} }}")
        else:
            counts[name] += 3
            lines.append(f"for i = 1, 3 {name} pt3dadd(i, {number()}, i*i, i)")
    ends = {name: draw.choice([0, 0, 0, 1]) for name in names}
    for at, name in enumerate(names):
        lines.append(f"{name} {{ pt3dadd({at}, 100, 0, 2) pt3dadd({at}, 200, 1, 2) }}")
        if at:
            parent, x = draw.choice(names[:at]), draw.choice(["0", "1", "0.25", "3/4"])
            form = draw.choice(
                ["connect {0}({3}), {1}({2})", "{1} connect {0}({3}), {2}", "{1} {{ connect {0}({3}), {2} }}"]
            )
            lines.append(form.format(name, parent, x, ends[name]))
    return "\n".join(lines) + "\n"
