"""Write PNG files with a palette, which is enough for pages and a third of the size."""

import struct
import zlib
from collections import Counter
from collections.abc import Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256


def palette_png(width: int, height: int, rgba: bytes) -> bytes:
    """Encode the picture with its most frequent colours; map the others to the nearest of these."""
    pixels = memoryview(rgba).cast("I")
    counts = Counter(pixels)
    by_use = sorted(counts, key=lambda colour: (-counts[colour], colour))
    palette, others = by_use[:_COLOURS], by_use[_COLOURS:]
    places = {colour: place for place, colour in enumerate(palette)}
    places |= {colour: _nearest(colour, palette) for colour in others}
    rows = (pixels[start : start + width] for start in range(0, width * height, width))
    lines = b"".join(b"\0" + bytes([places[pixel] for pixel in row]) for row in rows)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(bytes(_channels(colour)) for colour in palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _channels(colour: int) -> tuple[int, int, int]:
    return colour & 0xFF, colour >> 8 & 0xFF, colour >> 16 & 0xFF


def _nearest(colour: int, palette: Sequence[int]) -> int:
    wanted = _channels(colour)

    def distance(place: int) -> int:
        return sum((one - other) ** 2 for one, other in zip(wanted, _channels(palette[place]), strict=True))

    return min(range(len(palette)), key=distance)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
