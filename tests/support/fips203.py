"""ML-KEM-768 in plain Python, written from FIPS 203, for tests only.

It is slow and not constant in time. It exists because the library draws its own randomness when
it encapsulates: with this one, ciphertexts can be computed again, and the library can be compared
with something that shares no line with it.

Source: FIPS 203 (August 2024); the numbers in the comments are its algorithms.
"""

from __future__ import annotations

import hashlib
from functools import cache

Poly = list[int]

Q = 3329
N = 256
K = 3
ETA = 2
DU, DV = 10, 4


def keygen(seed: bytes) -> tuple[bytes, bytes]:
    """Return (encapsulation key, decapsulation key) of a 64-byte seed `d || z`. (16)"""
    d, z = seed[:32], seed[32:]
    public, secret = _pke_keygen(d)
    return public, secret + public + _h(public) + z


def encapsulate(public: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Return (shared secret, ciphertext) for 32 bytes of chosen randomness. (17)"""
    shared, coins = _g(message + _h(public))
    return shared, _pke_encrypt(public, message, coins)


def decapsulate(private: bytes, ciphertext: bytes) -> bytes:
    """Return the shared secret, or other bytes for a mauled ciphertext. (18)"""
    secret, public = private[: 384 * K], private[384 * K : 768 * K + 32]
    digest, z = private[768 * K + 32 : 768 * K + 64], private[768 * K + 64 :]
    message = _pke_decrypt(secret, ciphertext)
    shared, coins = _g(message + digest)
    if _pke_encrypt(public, message, coins) != ciphertext:
        return hashlib.shake_256(z + ciphertext).digest(32)
    return shared


def is_valid_public(public: bytes) -> bool:
    """Tell whether every coefficient is below q and the length fits. (section 7.2)"""
    return len(public) == 384 * K + 32 and all(
        coefficient < Q
        for i in range(K)
        for coefficient in _decode(public[384 * i : 384 * (i + 1)], 12)
    )


def _pke_keygen(d: bytes) -> tuple[bytes, bytes]:  # (13)
    rho, sigma = _g(d + bytes([K]))
    matrix = _matrix(rho)
    secret = [_ntt(_noise(sigma, i)) for i in range(K)]
    error = [_ntt(_noise(sigma, K + i)) for i in range(K)]
    public = [_add(_dot(matrix[i], secret), error[i]) for i in range(K)]
    return b"".join(_encode(p, 12) for p in public) + rho, b"".join(_encode(s, 12) for s in secret)


def _pke_encrypt(public: bytes, message: bytes, coins: bytes) -> bytes:  # (14)
    t = [_decode(public[384 * i : 384 * (i + 1)], 12) for i in range(K)]
    matrix = _matrix(public[384 * K :])
    y = [_ntt(_noise(coins, i)) for i in range(K)]
    u = [
        _add(_inverse_ntt(_dot([matrix[j][i] for j in range(K)], y)), _noise(coins, K + i))
        for i in range(K)
    ]
    mu = [_decompress(bit, 1) for bit in _decode(message, 1)]
    v = _add(_add(_inverse_ntt(_dot(t, y)), _noise(coins, 2 * K)), mu)
    packed = [_encode([_compress(x, DU) for x in row], DU) for row in u]
    return b"".join(packed) + _encode([_compress(x, DV) for x in v], DV)


def _pke_decrypt(secret: bytes, ciphertext: bytes) -> bytes:  # (15)
    size = 32 * DU
    u = [
        [_decompress(x, DU) for x in _decode(ciphertext[size * i : size * (i + 1)], DU)]
        for i in range(K)
    ]
    v = [_decompress(x, DV) for x in _decode(ciphertext[size * K :], DV)]
    s = [_decode(secret[384 * i : 384 * (i + 1)], 12) for i in range(K)]
    masked = _inverse_ntt(_dot(s, [_ntt(row) for row in u]))
    return _encode([_compress((a - b) % Q, 1) for a, b in zip(v, masked, strict=True)], 1)


def _matrix(rho: bytes) -> list[list[Poly]]:
    return [[_uniform(rho, i, j) for j in range(K)] for i in range(K)]


@cache
def _uniform_bytes(rho: bytes, i: int, j: int, size: int) -> bytes:
    return hashlib.shake_128(rho + bytes([j, i])).digest(size)


def _uniform(rho: bytes, i: int, j: int) -> Poly:  # (7)
    stream = _uniform_bytes(rho, i, j, 3 * 1000)
    found: Poly = []
    for at in range(0, len(stream), 3):
        first = stream[at] + 256 * (stream[at + 1] % 16)
        second = stream[at + 1] // 16 + 16 * stream[at + 2]
        found += [x for x in (first, second) if x < Q]
        if len(found) >= N:
            return found[:N]
    raise AssertionError("a thousand triples were not enough")


def _noise(seed: bytes, nonce: int) -> Poly:  # (8)
    stream = hashlib.shake_256(seed + bytes([nonce])).digest(64 * ETA)
    bits = _decode(stream, 1)
    return [
        (sum(bits[4 * i : 4 * i + 2]) - sum(bits[4 * i + 2 : 4 * i + 4])) % Q
        for i in range(len(bits) // 4)
    ]


def _reversed7(i: int) -> int:
    return int(f"{i:07b}"[::-1], 2)


ZETAS = [pow(17, _reversed7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _reversed7(i) + 1, Q) for i in range(128)]


def _ntt(poly: Poly) -> Poly:  # (9)
    f, index, length = list(poly), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta = ZETAS[index]
            index += 1
            for j in range(start, start + length):
                turned = zeta * f[j + length] % Q
                f[j + length] = (f[j] - turned) % Q
                f[j] = (f[j] + turned) % Q
        length //= 2
    return f


def _inverse_ntt(poly: Poly) -> Poly:  # (10)
    f, index, length = list(poly), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta = ZETAS[index]
            index -= 1
            for j in range(start, start + length):
                kept = f[j]
                f[j] = (kept + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - kept) % Q
        length *= 2
    return [x * 3303 % Q for x in f]


def _multiply(left: Poly, right: Poly) -> Poly:  # (11, 12)
    product: Poly = []
    for i in range(N // 2):
        a0, a1, b0, b1 = left[2 * i], left[2 * i + 1], right[2 * i], right[2 * i + 1]
        product += [(a0 * b0 + a1 * b1 * GAMMAS[i]) % Q, (a0 * b1 + a1 * b0) % Q]
    return product


def _dot(left: list[Poly], right: list[Poly]) -> Poly:
    total = [0] * N
    for a, b in zip(left, right, strict=True):
        total = _add(total, _multiply(a, b))
    return total


def _add(left: Poly, right: Poly) -> Poly:
    return [(a + b) % Q for a, b in zip(left, right, strict=True)]


def _compress(x: int, bits: int) -> int:
    return ((x << (bits + 1)) + Q) // (2 * Q) % (1 << bits)


def _decompress(y: int, bits: int) -> int:
    return (2 * Q * y + (1 << bits)) >> (bits + 1)


def _encode(numbers: Poly, bits: int) -> bytes:  # (5)
    joined = sum(number << (bits * i) for i, number in enumerate(numbers))
    return joined.to_bytes(bits * len(numbers) // 8, "little")


def _decode(encoded: bytes, bits: int) -> Poly:  # (6), without the reduction: see is_valid_public
    joined, mask = int.from_bytes(encoded, "little"), (1 << bits) - 1
    return [joined >> (bits * i) & mask for i in range(8 * len(encoded) // bits)]


def _g(message: bytes) -> tuple[bytes, bytes]:
    digest = hashlib.sha3_512(message).digest()
    return digest[:32], digest[32:]


def _h(message: bytes) -> bytes:
    return hashlib.sha3_256(message).digest()
