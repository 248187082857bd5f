"""Channels that stay or go together."""

import collections

import numpy as np


class Ties:
    """Sets of channels, each of which a smaller network has whole or not at all.

    A channel is a number; those of a tensor are an int array, one for each position of its last axis. A set has the
    sum of its channels' norms, the places at which it is made, and, where it must stay, the reason.
    """

    def __init__(self):
        self._parents, self._norms, self._places, self._reasons = [], [], [], {}

    def new(self, norms, places):
        """Returns the numbers of new channels, each a set of its own.

        Args:
            norms: array, one for each channel.
            places: sequence of hashable values, one for each channel: channels of equal places compete.
        """
        first = len(self._parents)
        self._parents += range(first, first + len(norms))
        self._norms += map(float, norms)
        self._places += [frozenset([place]) for place in places]
        return np.arange(first, first + len(norms))

    def root(self, channel):
        """Returns the number by which the set of a channel is known."""
        while (parent := self._parents[channel]) != channel:
            self._parents[channel] = channel = self._parents[parent]
        return channel

    def join(self, first, second):
        """Joins the sets of two arrays of channels, position by position."""
        for one, other in {*zip(np.asarray(first).tolist(), np.asarray(second).tolist(), strict=True)}:
            low, high = sorted((self.root(one), self.root(other)))
            if low == high:
                continue
            self._parents[high] = low
            self._norms[low] += self._norms[high]
            self._places[low] |= self._places[high]
            if high in self._reasons:
                self._reasons.setdefault(low, self._reasons[high])

    def place(self, channels, places):
        """Adds to the places of channels: those of one set of places keep equal shares."""
        for channel, place in zip(channels.tolist(), places, strict=True):
            self._places[self.root(channel)] |= {place}

    def pin(self, channels, reason):
        """Makes channels stay; the first reason of a set is the one that is told."""
        for channel in set(channels.tolist()):
            self._reasons.setdefault(self.root(channel), reason)

    def reason(self, channels):
        """Returns why channels stay, or None unless all of them do."""
        reasons = [self._reasons.get(self.root(channel)) for channel in channels.tolist()]
        return reasons[0] if reasons and None not in reasons else None

    def chosen(self, count):
        """Chooses the sets that stay.

        Args:
            count: function from the number of sets that compete to the number of those that stay.

        Returns:
            Boolean array, one for each channel. Of the sets made at the same places those of the largest norms stay,
            of equals the first.
        """
        rivals, stays = collections.defaultdict(list), set(map(self.root, self._reasons))
        for channel in range(len(self._parents)):
            if self.root(channel) == channel and channel not in stays:
                rivals[self._places[channel]].append(channel)
        for roots in rivals.values():
            order = np.argsort([-self._norms[root] for root in roots], kind="stable")
            stays.update(roots[index] for index in order[: count(len(roots))])
        return np.array([self.root(channel) in stays for channel in range(len(self._parents))], bool)
