"""Random numbers without state: each is a pure function of a stream's name and an index.

So any row can be made again without the rows before it, in any order, and children find their parents'
keys by computing them. The arithmetic is integer (splitmix64) or IEEE 754 basic operations, which give
the same bits on every machine and with every version of numpy; `exp`, `log` and numpy's own generators
do not promise that, so they have no place here.
"""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class Stream:
    """An endless table of random numbers, looked up by index."""

    def __init__(self, name: str) -> None:
        """Streams of different names are independent."""
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        self._seed = np.uint64(int.from_bytes(digest, "little"))

    def words(self, index: Ints) -> Words:
        """64 random bits per index: splitmix64 (Steele, Lea, Flood 2014)."""
        z = index.astype(np.uint64) * _GOLDEN + self._seed
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        return z ^ (z >> np.uint64(31))

    def uniform(self, index: Ints) -> Floats:
        """A number in [0, 1) per index."""
        return (self.words(index) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, index: Ints, bound: int | Ints) -> Ints:
        """A whole number in [0, bound) per index; bound under 2³¹, may differ per index."""
        top = (self.words(index) >> np.uint64(33)).astype(np.int64)
        return (top * bound) >> 31

    def chance(self, index: Ints, probability: float | Floats) -> Bools:
        """Whether an event of that probability happens, per index."""
        return self.uniform(index) < probability

    def pick(self, index: Ints, table: Sequence[int] | Ints) -> Ints:
        """One entry of the table per index, all as likely."""
        entries = np.asarray(table, dtype=np.int64)
        return entries[self.below(index, len(entries))]

    def bell(self, index: Ints) -> Floats:
        """A number of mean 0 and variance 1 per index: the sum of twelve uniforms in [-½, ½)."""
        shifts = np.arange(12, dtype=np.int64)
        parts = self.uniform((index[:, None] * 12 + shifts).ravel()).reshape(-1, 12)
        total = parts[:, 0]
        for column in range(1, 12):  # in a fixed order: numpy's own sum may add pairwise or not
            total = total + parts[:, column]
        return total - 6.0

    def heavy(self, index: Ints, median: float | Floats) -> Floats:
        """A waiting time with a long tail: log-logistic of shape 2, cut at about 100 medians."""
        u = self.uniform(index) * 0.9999
        return np.sqrt(u / (1.0 - u)) * median


@functools.cache
def _hex_pairs() -> npt.NDArray[np.uint8]:
    return np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint8).reshape(256, 2)


def uuids(stream: Stream, index: Ints) -> list[str]:
    """One uuid (version 4 in form) per index, as text."""
    count = len(index)
    words = np.empty((count, 2), dtype=np.uint64)
    words[:, 0] = stream.words(index * 2)
    words[:, 1] = stream.words(index * 2 + 1)
    words[:, 0] = (words[:, 0] & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    words[:, 1] = (words[:, 1] & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(1 << 63)
    digits = _hex_pairs()[words.astype(">u8").view(np.uint8)].reshape(count, 32)
    text = np.full((count, 36), ord("-"), dtype=np.uint8)
    for source, target, width in ((0, 0, 8), (8, 9, 4), (12, 14, 4), (16, 19, 4), (20, 24, 12)):
        text[:, target : target + width] = digits[:, source : source + width]
    whole = text.tobytes().decode("ascii")
    return [whole[at : at + 36] for at in range(0, len(whole), 36)]


def uuid_of(stream: Stream, index: int) -> str:
    """The same for one index."""
    return uuids(stream, np.array([index], dtype=np.int64))[0]
