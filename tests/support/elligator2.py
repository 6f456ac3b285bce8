"""Elligator 2 for Curve25519 and X25519 in plain integers: slow, clear, and no part of the product.

A second implementation that shares nothing with libsodium, to hold its map against.

Source: RFC 9380, section 6.7.1; RFC 7748, section 5.
"""

from __future__ import annotations

PRIME = 2**255 - 19
A = 486662
NON_SQUARE = 2


def decode(encoded: bytes) -> int:
    """Read a u-coordinate; the highest bit is ignored."""
    return (int.from_bytes(encoded, "little") & (1 << 255) - 1) % PRIME


def encode(u: int) -> bytes:
    return (u % PRIME).to_bytes(32, "little")


def map_to_curve(field_element: bytes) -> bytes:
    """Return the u-coordinate of the point that Elligator 2 maps 32 bytes to."""
    r = decode(field_element)
    first = -A * pow(1 + NON_SQUARE * r * r, -1, PRIME) % PRIME
    on_curve = (first**3 + A * first**2 + first) % PRIME
    is_square = on_curve == 0 or pow(on_curve, (PRIME - 1) // 2, PRIME) == 1
    return encode(first if is_square else -A - first)


def multiply(scalar: int, u: bytes) -> bytes:
    """Multiply a point by any positive number, by its u-coordinate alone (Montgomery's ladder)."""
    x1 = decode(u)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in bin(scalar)[2:]:
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
        plus, minus = x2 + z2, x2 - z2
        squared, other = plus * plus, minus * minus
        crossed, uncrossed = (x3 - z3) * plus, (x3 + z3) * minus
        x3, z3 = (crossed + uncrossed) ** 2 % PRIME, x1 * (crossed - uncrossed) ** 2 % PRIME
        e = squared - other
        x2, z2 = squared * other % PRIME, e * (squared + 121665 * e) % PRIME
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
    return encode(x2 * pow(z2, PRIME - 2, PRIME))
