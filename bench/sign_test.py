"""The 95 % interval of a median, by the sign test."""
from math import comb
from statistics import median


def interval(values):
    """Returns the median of the values and the ends of its 95 % interval; with fewer than six values the extremes."""
    values, count = sorted(values), len(values)
    rank, below = 0, 0.5 ** count
    while below <= 0.025 and rank < count // 2:
        rank += 1
        below += comb(count, rank) * 0.5 ** count
    rank = max(rank - 1, 0)
    return median(values), values[rank], values[count - 1 - rank]


def text_of(values, digits=2):
    """Returns the median and its interval in words."""
    middle, low, high = interval(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
