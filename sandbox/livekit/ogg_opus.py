"""Builds recordings in Ogg Opus, with the agent on the left channel and the callee on the right.

Eight seconds of tones, four on each channel (`tones.ogg`), are repeated for as long as the call
lasted. Pages of one second are built once and shared by all recordings, so a recording costs a copy
and one last page.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

TONES = Path(__file__).with_name("tones.ogg")
SAMPLE_RATE = 48_000  # Ogg Opus always counts at 48 kHz (RFC 7845)
PACKET_SAMPLES = 960  # 20 ms
PACKETS_PER_PAGE = 50  # one second
STREAM_SERIAL = 0x564F4F50
MAX_RECORDING_SECONDS = 4 * 3600.0
# Header flags.
FIRST_PAGE = 0x02
LAST_PAGE = 0x04
# Every byte with its bits in reverse order.
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(data: bytes) -> int:
    """Return Ogg's CRC-32 (RFC 3533): zlib's polynomial, with reversed bits and not inverted."""
    mirrored = zlib.crc32(data.translate(REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(REVERSED_BITS), "big")


def _build_page(packets: list[bytes], *, number: int, granule: int, flags: int = 0) -> bytes:
    # A packet's length is a run of 255s and a last, smaller byte.
    lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
    head = (
        struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, STREAM_SERIAL, number, 0)
        + bytes([len(lacing)])
        + lacing
    )
    page = head + b"".join(packets)
    # The checksum is computed with its own field (bytes 22 to 25) set to zero.
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _read_packets(ogg: bytes) -> Iterator[bytes]:
    """Yield all packets of an Ogg stream, headers first."""
    at, packet = 0, b""
    while at < len(ogg):
        count = ogg[at + 26]
        lacing = ogg[at + 27 : at + 27 + count]
        at += 27 + count
        for size in lacing:
            packet += ogg[at : at + size]
            at += size
            # A segment shorter than 255 bytes ends its packet.
            if size < 255:
                yield packet
                packet = b""


class OggRecorder:
    """Builds recordings of any length."""

    def __init__(self) -> None:
        head, tags, *sound = _read_packets(TONES.read_bytes())
        whole = len(sound) // PACKETS_PER_PAGE * PACKETS_PER_PAGE
        self._sound = sound[:whole]
        # The decoder drops the first samples (RFC 7845, "pre-skip"), so recordings need more.
        self._skip = int(struct.unpack_from("<H", head, 10)[0])
        self._body = bytearray(
            _build_page([head], number=0, granule=0, flags=FIRST_PAGE)
            + _build_page([tags], number=1, granule=0)
        )
        self._ends = [len(self._body)]

    def record(self, seconds: float) -> bytes:
        """Return a file that lasts `seconds`, exact to the sample.

        It has at least one packet and lasts at most four hours.
        """
        seconds = min(max(seconds, PACKET_SAMPLES / SAMPLE_RATE), MAX_RECORDING_SECONDS)
        samples = round(seconds * SAMPLE_RATE) + self._skip
        packets = math.ceil(samples / PACKET_SAMPLES)
        pages = (packets - 1) // PACKETS_PER_PAGE  # full ones before the last
        self._grow(pages)
        rest = [self._sound[i % len(self._sound)] for i in range(pages * PACKETS_PER_PAGE, packets)]
        return bytes(self._body[: self._ends[pages]]) + _build_page(
            rest, number=2 + pages, granule=samples, flags=LAST_PAGE
        )

    def _grow(self, pages: int) -> None:
        """Build full pages until there are `pages` of them."""
        for number in range(len(self._ends) - 1, pages):
            at = number * PACKETS_PER_PAGE % len(self._sound)
            granule = (number + 1) * PACKETS_PER_PAGE * PACKET_SAMPLES
            self._body += _build_page(
                self._sound[at : at + PACKETS_PER_PAGE], number=2 + number, granule=granule
            )
            self._ends.append(len(self._body))
