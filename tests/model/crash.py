"""Crashes: a copy of an open store's directory, as a dead process or a dead machine would have left it."""

import shutil

SECTOR = 512


def killed_process(directory, to):
    """All that the kernel was given is there."""
    shutil.copytree(directory, to)


def power_cut(directory, to, durable, survivors):
    """Behind `durable` each sector of the log has survived or has not: by the bits of `survivors`, over and over.
    Nothing else is unsynced: tables and manifest are on the disk before they are relied on."""
    shutil.copytree(directory, to)
    for log in sorted(to.glob("*.log")):
        number = int(log.stem)
        first = durable & 0xFFFFFFFF if number == durable >> 32 else 0
        if number >= durable >> 32:
            log.write_bytes(_torn(log.read_bytes(), first, survivors))


def _torn(content, first, survivors):
    torn, bits = bytearray(content), max(1, survivors.bit_length())
    for turn, sector in enumerate(range(first // SECTOR * SECTOR, len(torn), SECTOR)):
        if not survivors >> turn % bits & 1:
            start, stop = max(first, sector), min(sector + SECTOR, len(torn))
            torn[start:stop] = bytes(stop - start)
    return bytes(torn)
