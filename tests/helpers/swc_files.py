"""Small SWC files of every kind that programs write, as text by name; NEURON's importer reads each of them."""

from collections.abc import Iterable
from math import cos, pi, sin

Row = tuple[int, float, float, float, float, int]
"""Type, x, y, z, radius, and the parent's number, from 1."""


def swc(rows: Iterable[Row], end: str = "\n") -> str:
    """Samples numbered from 1, the first without parent."""
    return "".join(
        f"{number} {kind} {x:g} {y:g} {z:g} {radius:g} {parent if number > 1 else -1}{end}"
        for number, (kind, x, y, z, radius, parent) in enumerate(rows, start=1)
    )


def branch(kind: int, parent: int, at: int, start: tuple[float, float, float], n: int = 3) -> list[Row]:
    """*n* samples in a row, the first of which has the number *at*."""
    x, y, z = start
    return [
        (
            kind,
            x + 7 * step,
            y + 3 * step * step,
            z - 2 * step,
            1.5 / (1 + step),
            parent if step == 0 else at + step - 1,
        )
        for step in range(n)
    ]


SPHERE: list[Row] = [(1, 0, 0, 0, 5, -1)]
BALL: list[Row] = [(1, 0, 0, 0, 5, -1), (1, 0, -5, 0, 5, 1), (1, 0, 5, 0, 5, 1)]
CHAIN: list[Row] = [(1, 0, 0, 0, 4, -1), (1, 0, 4, 0, 6, 1), (1, 0, 9, 1, 5, 2), (1, 1, 13, 0, 3, 3)]
FORK = [*branch(3, 1, 2, (0, 6, 0)), *branch(3, 4, 5, (22, 30, 0)), *branch(3, 4, 8, (22, 9, 9))]


def _below(soma: list[Row], parent: int, kind: int = 3, n: int = 3) -> list[Row]:
    return [*soma, *branch(kind, parent, len(soma) + 1, (12, 20, 3), n)]


def _contour(points: int) -> list[Row]:
    """A soma as samples on its outline."""
    return [
        (
            1,
            round(8 * cos(2 * pi * at / points), 3),
            round(6 * sin(2 * pi * at / points), 3),
            0.0,
            0.5,
            max(at, 1),
        )
        for at in range(points)
    ]


_SIMPLE = swc([*SPHERE, *FORK])

_SOMATA: dict[str, list[Row]] = {
    "soma_alone": SPHERE,
    "soma_of_one": _below(SPHERE, 1),
    "soma_of_one_stub": _below(SPHERE, 1, n=1),
    "soma_of_one_two_dendrites": [*SPHERE, *branch(3, 1, 2, (0, 6, 0)), *branch(4, 1, 5, (0, -6, 0))],
    "soma_of_one_all_types": [
        *SPHERE,
        *branch(2, 1, 2, (0, -9, 0)),
        *branch(3, 1, 5, (9, 0, 0)),
        *branch(4, 1, 8, (0, 0, 9)),
    ],
    "soma_of_two": _below([(1, 0, 0, 0, 2, -1), (1, 40, 0, 0, 2, 1)], 2),
    "soma_of_two_child_of_first": _below([(1, 0, 0, 0, 2, -1), (1, 40, 0, 0, 2, 1)], 1),
    "soma_of_two_stub": _below([(1, 0, 0, 0, 2, -1), (1, 40, 0, 0, 2, 1)], 2, n=1),
    "ball": _below(BALL, 1),
    "ball_alone": BALL,
    "ball_stub": _below(BALL, 1, n=1),
    "ball_along_x": _below([(1, 2, 1, 0, 5, -1), (1, -3, 1, 0, 5, 1), (1, 7, 1, 0, 5, 1)], 1),
    "ball_almost": _below([(1, 0, 0, 0, 5, -1), (1, 0, -4.97, 0, 5, 1), (1, 0, 4.96, 0, 5, 1)], 1),
    "ball_too_long": _below([(1, 0, 0, 0, 5, -1), (1, 0, -6, 0, 5, 1), (1, 0, 6, 0, 5, 1)], 1),
    "ball_tapering": _below([(1, 0, 0, 0, 5, -1), (1, 0, -5, 0, 4, 1), (1, 0, 5, 0, 5, 1)], 1),
    "ball_with_a_child_of_its_second": _below(BALL, 2),
    "chain_child_of_last": _below(CHAIN, 4),
    "chain_child_of_first": _below(CHAIN, 1),
    "chain_child_of_middle": _below(CHAIN, 2),
    "chain_stub_on_middle": _below(CHAIN, 3, n=1),
    "chain_stub_on_last": _below(CHAIN, 4, n=1),
    "chain_children_everywhere": [
        *CHAIN,
        *branch(3, 1, 5, (-8, 0, 0)),
        *branch(3, 2, 8, (8, 4, 0)),
        *branch(4, 4, 11, (0, 20, 0)),
        *branch(2, 4, 14, (0, 18, 5)),
    ],
    "chain_of_three": _below([(1, 0, 0, 0, 10, -1), (1, 0, 0, 2, 10, 1), (1, 0, 0, 4, 10, 2)], 2),
    "contour_open": _below(_contour(12), 1),
    "contour_child_of_last": _below(_contour(12), 12),
    "contour_child_of_middle": _below(_contour(20), 7),
    "star_of_two": [
        (1, 0, 0, 0, 5, -1),
        (1, 5, 0, 0, 2, 1),
        (1, 8, 0, 0, 2, 2),
        (1, -5, 0, 0, 2, 1),
        (3, 12, 0, 0, 1, 3),
        (3, 20, 0, 0, 1, 5),
    ],
    "star_of_five": _below(
        [
            (1, 0, 0, 0, 3, -1),
            *((1, 6.0 * x, 6.0 * y, 0, 2, 1) for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1))),
        ],
        3,
    ),
    "star_child_of_centre": _below(
        [(1, 0, 0, 0, 3, -1), (1, 6, 0, 0, 2, 1), (1, -6, 0, 0, 2, 1), (1, 0, -6, 0, 2, 1)], 1
    ),
    "star_branching_later": _below(
        [(1, 0, 0, 0, 3, -1), (1, 6, 0, 0, 2, 1), (1, 9, 3, 0, 2, 2), (1, 9, -3, 0, 2, 2)], 2
    ),
    "star_stub_on_centre": _below(
        [(1, 0, 0, 0, 3, -1), (1, 6, 0, 0, 2, 1), (1, -6, 0, 0, 2, 1), (1, 0, -6, 0, 2, 1)], 1, n=1
    ),
    "soma_in_the_middle": [
        (3, -30, 0, 0, 1, -1),
        (3, -20, 0, 0, 1.2, 1),
        (1, -6, 0, 0, 5, 2),
        (1, 6, 0, 0, 5, 3),
        (4, 15, 0, 0, 1, 4),
        (4, 30, 1, 0, 1, 5),
    ],
    "soma_at_the_end": [*branch(3, -1, 1, (0, 0, 0)), (1, 30, 30, 0, 5, 3), (1, 36, 30, 0, 5, 4)],
    "soma_in_a_dendrite": [
        *_below(SPHERE, 1),
        (1, 44, 44, 0, 2, 4),
        (1, 50, 50, 0, 2, 5),
        (3, 60, 60, 0, 1, 6),
    ],
    "no_soma": branch(3, -1, 1, (0, 0, 0), 4),
    "no_soma_branching_at_its_first": [*branch(3, -1, 1, (0, 0, 0)), *branch(3, 1, 4, (-9, 0, 0))],
    "no_soma_axon": branch(2, -1, 1, (0, 0, 0), 4),
    "no_soma_two_types": [*branch(3, -1, 1, (0, 0, 0)), *branch(4, 3, 4, (40, 30, 0))],
}

_TREES: dict[str, list[Row]] = {
    "fork": [*SPHERE, *FORK],
    "fork_of_four": [
        *_below(SPHERE, 1),
        *(row for at in range(4) for row in branch(3, 4, 5 + 3 * at, (40.0, 9.0 * at, 1))),
    ],
    "forks_on_forks": [
        *SPHERE,
        *FORK,
        *branch(3, 7, 11, (50, 60, 0)),
        *branch(3, 7, 14, (50, 61, 9)),
        *branch(3, 16, 17, (80, 80, 9), 1),
    ],
    "branch_at_the_first_sample": [*_below(SPHERE, 1), *branch(3, 2, 5, (12, 2, 9))],
    "branch_at_the_first_of_the_second": [
        *_below(SPHERE, 1),
        *branch(3, 1, 5, (-9, 0, 1)),
        *branch(3, 5, 8, (-12, 2, 9)),
    ],
    "branch_at_the_first_on_a_chain": [*_below(CHAIN, 4), *branch(3, 5, 8, (12, 2, 9))],
    "type_changes_on_the_way": [
        *_below(SPHERE, 1),
        *branch(2, 4, 5, (40, 40, 0)),
        *branch(3, 7, 8, (70, 70, 0)),
    ],
    "type_changes_in_every_sample": [
        *SPHERE,
        *((2 + at % 3, 9.0 + 6 * at, at**2, 0, 1, 1 + at) for at in range(6)),
    ],
    "type_changes_at_a_fork": [
        *_below(SPHERE, 1),
        *branch(2, 4, 5, (40, 40, 0)),
        *branch(4, 4, 8, (40, 10, 0)),
    ],
    **{
        f"type_{kind}": [*SPHERE, *branch(kind, 1, 2, (9, 0, 0)), *branch(kind, 4, 5, (30, 30, 0))]
        for kind in (0, 5, 6, 7, 8, 16, -1)
    },
    "type_5_within_3": [*SPHERE, (3, 0, 6, 0, 1, 1), (5, 0, 20, 0, 1, 2), (3, 0, 30, 0, 1, 3)],
    "breadth_first_below_a_fork": [
        *CHAIN,
        (3, 5, 20, 0, 1, 4),
        (3, 6, 25, 0, 1, 5),
        (3, 8, 30, 0, 1, 6),
        (3, -8, 30, 0, 1, 6),
        (3, 9, 40, 0, 1, 7),
        (3, -9, 41, 0, 1, 8),
        (3, 9, 50, 0, 1, 9),
        (3, -9, 52, 0, 1, 10),
    ],
    "two_samples_in_one_place": [
        *_below(SPHERE, 1),
        (3, *(26.0, 32.0, -1.0), 0.5, 4),
        *branch(3, 5, 6, (50, 50, 1)),
    ],
    "a_branch_without_length": [
        *SPHERE,
        (3, 0, 9, 0, 1, 1),
        (3, 0, 20, 0, 1, 2),
        (3, 0, 20, 0, 0.5, 3),
        (3, 5, 30, 0, 0.5, 3),
        (2, 0, 40, 2, 0.5, 4),
        (2, 0, 55, 2, 0.5, 6),
    ],
    "far_from_the_origin": [
        (kind, x + 4000, y - 3000, z + 123.456, r, parent) for kind, x, y, z, r, parent in _below(CHAIN, 4)
    ],
    "long": [*SPHERE, *((3, 10.0 + at, (at % 7) / 2, 0, 1, 1 + at) for at in range(300))],
}

FILES: dict[str, str] = {
    **{name: swc(rows) for name, rows in (_SOMATA | _TREES).items()},
    "comments": "# one\n#two\n\n   # three\n" + _SIMPLE + "# last",
    "comments_in_lines": _SIMPLE.replace("\n", " # a sample\n"),
    "blanks_and_tabs": "\n\n  " + _SIMPLE.replace(" ", "\t  ").replace("\n", "  \n\n"),
    "crlf": _SIMPLE.replace("\n", "\r\n"),
    "form_feed_in_a_comment": "# page\x0c two\n" + _SIMPLE,
    "next_line_in_a_comment": "# K\u00f6ln\u0085 lab\n" + _SIMPLE,
    "line_separator_in_a_comment": "# a\u2028b\u2029c\x1cd\x1de\x1ef\x0bg\n" + _SIMPLE,
    "more_columns": _SIMPLE.replace("\n", " 0 1.5 seven\n"),
    "floats": "1.0 1.0 0 0 0 5 -1.0\n2.0 3.0 0 6 0 1 1.0\n3.0 3.0 0 20 0 1 2.0\n",
    "exponents": "1 1 0e0 0 0 .5e1 -1\n2 3 0 6. 0 1e+0 1\n3 3 0 +20 -0 1.E0 2\n",
    "ids_from_0": "0 1 0 0 0 5 -1\n1 3 0 6 0 1 0\n2 3 0 20 0 1 1\n",
    "ids_with_gaps": "10 1 0 0 0 5 -1\n20 3 0 6 0 1 10\n45 3 0 20 0 1 20\n46 3 5 30 0 1 20\n99 3 5 36 0 1 46\n",
    "parent_below_0": "1 1 0 0 0 5 -2\n2 3 0 6 0 1 1\n3 3 0 20 0 1 2\n",
    "parent_0_of_the_first": "1 1 0 0 0 5 0\n2 3 0 6 0 1 1\n3 3 0 20 0 1 2\n",
    "no_last_line_end": _SIMPLE.rstrip("\n"),
}
"""Every file."""
