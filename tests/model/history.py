"""History: the states a store has been through, each with the LSN at which it was there."""

from bisect import bisect_right


def picture(spaces):
    """What is stored now: name -> (kind, default ttl, cells); the default key space is None."""
    return {
        name: (str(space.kind), space.default_ttl if name else None, dict(space.cells))
        for name, space in spaces.items()
    }


def shown(picture, now):
    """What a reader finds of it at a time: the cells that have not expired."""
    return {
        name: (kind, ttl, {key: cell for key, cell in cells.items() if cell.expiry > now})
        for name, (kind, ttl, cells) in picture.items()
    }


class History:
    def __init__(self):
        self.lsns, self.pictures = [], []
        self.survives = 0  # the oldest state that a crash may leave: later ones were promised

    def add(self, lsn, picture):
        self.lsns.append(lsn)
        self.pictures.append(picture)

    def promise(self):
        """Everything up to now was acknowledged as being on the disk."""
        self.survives = len(self.pictures) - 1

    def durable_through(self, lsn):
        """The store says that it is on the disk through there."""
        return bisect_right(self.lsns, lsn) - 1

    def place_of(self, found, now, first):
        """Which state, from number `first` on, this is; None: it is none."""
        for number in range(len(self.pictures) - 1, first - 1, -1):
            if shown(self.pictures[number], now) == found:
                return number
        return None
