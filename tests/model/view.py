"""View: a part of a space, with the methods of RangeView; and Cursor, a place in it."""


class View:
    def __init__(self, space, span, limit=None):
        self.space, self.span, self.most = space, span, limit

    def pairs(self):
        return [(key, cell.value) for key, cell in self.space.walk(self.span, self.most)]

    def items(self):
        return self.pairs()

    def keys(self):
        return [key for key, _ in self.pairs()]

    def values(self):
        return [value for _, value in self.pairs()]

    def __iter__(self):
        return iter(self.keys())

    def __reversed__(self):
        return reversed(self.keys())

    def __bool__(self):
        return bool(self.space.walk(self.span, 1)) if self.most != 0 else False

    def __contains__(self, key):
        return self.span.holds(self.space.kind, key) and key in self.space

    def __getitem__(self, key):
        if isinstance(key, slice):
            return View(self.space, self.span.narrowed(key.start, key.stop))
        if key not in self:
            raise KeyError(key)
        return self.space[key]

    def limit(self, most):
        return View(self.space, self.span, most if self.most is None else min(most, self.most))

    def count(self):
        return len(self.pairs())

    def first(self):
        return next(iter(View(self.space, self.span, 1 if self.most is None else min(1, self.most)).pairs()), None)

    def last(self):
        if self.most is None:
            return View(self.space, self.span.reversed()).first()
        return (self.pairs() or [None])[-1]

    def chunks(self, size):
        pairs = self.keys()
        return [pairs[at : at + size] for at in range(0, len(pairs), size)]


class Cursor:
    """Over pairs that do not change. At no key: `at` is None."""

    def __init__(self, pairs, rank):
        self.pairs, self.rank, self.at = pairs, rank, None

    def _stand(self, at):
        self.at = at if 0 <= at < len(self.pairs) else None
        return self.at is not None

    def first(self):
        return self._stand(0)

    def last(self):
        return self._stand(len(self.pairs) - 1)

    def seek(self, key):
        return self._stand(sum(self.rank(other) < self.rank(key) for other, _ in self.pairs))

    def seek_for_prev(self, key):
        return self._stand(sum(self.rank(other) <= self.rank(key) for other, _ in self.pairs) - 1)

    def next(self):
        return self.at is not None and self._stand(self.at + 1)

    def prev(self):
        return self.at is not None and self._stand(self.at - 1)

    @property
    def valid(self):
        return self.at is not None

    @property
    def item(self):
        if self.at is None:
            raise ValueError
        return self.pairs[self.at]
