"""Files damaged at random, the same for the same seed."""

import random

PIECES = [b"\x00", b"\xff", b"\xef\xbb\xbf", b"\n", b"\r", b" ", b"-", b"-1", b"0", b"9e99", b"nan", b"1e999"]
PIECES += [b"#", b"{", b"}", b"(", b")", b",", b"[", b"]", b'"', b"/*", b"*/", b"//", b"1", b".", b"_"]
PIECES += [b"\xc2\x85", b"\xe2\x80\xa8", b"\x0c", b"=", b"soma"]


def mutated(text: bytes, seed: int) -> bytes:
    """Put a few pieces into a text, take some out, change, double or cut them, or shuffle its lines."""
    draw, made = random.Random(seed), bytearray(text)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(made) + 1)
        end = min(at + draw.choice([1, 1, 3, 12, 60]), len(made))
        kind = draw.choice(["put", "take", "change", "double", "cut", "shuffle"])
        if kind == "put":
            made[at:at] = draw.choice(PIECES)
        elif kind == "take":
            del made[at:end]
        elif kind == "change":
            made[at:end] = draw.choice(PIECES)
        elif kind == "double":
            made[at:at] = made[at:end]
        elif kind == "cut" and draw.random() < 0.3:
            del made[at:]
        elif kind == "shuffle" and draw.random() < 0.2:
            lines = bytes(made).split(b"\n")
            draw.shuffle(lines)
            made = bytearray(b"\n".join(lines))
    return bytes(made)


def flipped(data: bytes, seed: int) -> bytes:
    """Change up to eight bytes."""
    draw, made = random.Random(seed), bytearray(data)
    for _ in range(draw.randint(1, 8)):
        made[draw.randrange(len(made))] = draw.randrange(256)
    return bytes(made)
