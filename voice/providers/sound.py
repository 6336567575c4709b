"""Sound as samples of 16 bits in one channel: rates, the telephone's quality, and WAV files."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

# What the local engines hear, and what they speak.
HEARING_RATE = 16_000
SPEAKING_RATE = 24_000
TELEPHONE_RATE = 8_000
MU = 255.0


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Return the samples at another rate, by linear interpolation after a mean over each step.

    Good enough for speech on a telephone; it needs no library.
    """
    if source_rate == target_rate or not len(samples):
        return samples
    values: npt.NDArray[Any] = samples.astype(np.float32)
    if target_rate < source_rate:
        # Without this the frequencies above the new rate's half would fold back as noise.
        width = max(1, round(source_rate / target_rate))
        values = np.convolve(values, np.ones(width, np.float32) / width, mode="same")
    count = round(len(values) * target_rate / source_rate)
    positions = np.arange(count) * (source_rate / target_rate)
    found = np.interp(positions, np.arange(len(values)), values)
    return to_samples(found.astype(np.float32) / 32768.0)


def to_samples(wave_form: npt.NDArray[np.float32]) -> Samples:
    """Return a wave between -1 and 1 as samples."""
    return (wave_form.clip(-1.0, 1.0) * 32767.0).astype("<i2")


def through_telephone(samples: Samples, rate: int) -> Samples:
    """Return the samples as a G.711 line (8 kHz, µ-law) lets them through, at their own rate."""
    narrow = resample(samples, rate, TELEPHONE_RATE).astype(np.float32) / 32768.0
    levels = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    coded = np.round(levels * 127.0) / 127.0
    heard = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU
    return resample(to_samples(heard.astype(np.float32)), TELEPHONE_RATE, rate)


def read_wav(path: Path, rate: int) -> Samples:
    """Return a WAV file's first channel at the wanted rate. Raises ValueError for other files."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{path} has no samples of 16 bits")
            channels, source = file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV file: {error}") from error
    return resample(np.frombuffer(data, "<i2")[::channels], source, rate)


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Write the samples as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
