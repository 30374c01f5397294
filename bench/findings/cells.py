"""How a number of an analysis is written in a table's cell: with its interval, where it is an estimate."""
import math

import numpy as np

DRAWS = 2000
UNDEFINED = "undefined"


def percent(value, digits=1):
    return UNDEFINED if math.isnan(value) else "%.*f" % (digits, 100 * value)


def plain(value, digits=3):
    return UNDEFINED if math.isnan(value) else "%.*f" % (digits, value)


def interval(name, scale=100, digits=1):
    """value [low, high], a share as percent."""
    def cell(g):
        value, low, high = (scale * g.number(name + end) for end in ("", "_low", "_high"))
        if math.isnan(value):
            return UNDEFINED
        between = "no interval" if math.isnan(low) else "%.*f, %.*f" % (digits, low, digits, high)
        return "%.*f [%s]" % (digits, value, between)
    return cell


def share(name):
    return lambda g: percent(g.number(name))


def number(name, digits=3):
    return lambda g: plain(g.number(name), digits)


def count(name):
    return lambda g: UNDEFINED if math.isnan(g.number(name)) else "%d" % g.number(name)


def p_value(name="p"):
    return lambda g: UNDEFINED if math.isnan(g.number(name)) else ("%.4f" % g.number(name))


def extreme(column, pick, digits=1):
    """The gate with the largest or smallest value."""
    def cell(g):
        values = [(v, i) for i, v in enumerate(g.table.get(column, [])) if not math.isnan(v)]
        return "%.*f at gate %d of %d" % (digits, 100 * pick(values)[0], pick(values)[1], len(g.table[column])) if values else UNDEFINED
    return cell


def with_interval(value, low, high, digits=1):
    """As percent."""
    if math.isnan(value):
        return UNDEFINED
    return "%.*f [%s]" % (digits, 100 * value, "no interval" if math.isnan(low) else "%.*f, %.*f" % (digits, 100 * low, digits, 100 * high))


def bootstrap(values):
    """The mean and its 95 % percentile interval under resampling; no interval of fewer than two."""
    values = np.array([v for v in values if not math.isnan(v)])
    if len(values) < 2:
        return (values[0] if len(values) else math.nan), math.nan, math.nan
    draws = values[np.random.default_rng(233).integers(len(values), size=(DRAWS, len(values)))].mean(axis=1)
    return (values.mean(), *np.quantile(draws, [0.025, 0.975]))


def column(name, digits=1):
    """The mean over classes of a column of the table, as percent."""
    return lambda g: with_interval(*bootstrap(g.table.get(name, [])), digits)


def of_classes_with(name, other):
    """The same, of the classes that have both columns."""
    def cell(g):
        pairs = zip(g.table.get(name, []), g.table.get(other, []))
        return with_interval(*bootstrap([v for v, o in pairs if not math.isnan(o)]))
    return cell


def wilson(share, n):
    z, centre = 1.959964, share + 1.959964 ** 2 / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))


def among_similar(k):
    """The share of mistakes, Wilson's interval, and chance."""
    def cell(g):
        found, n = g.number("top%d_share" % k), g.number("mistakes_in_table")
        if math.isnan(found) or not n:
            return UNDEFINED
        return "%s (%s)" % (with_interval(found, *wilson(found, n)), percent(g.number("top%d_chance" % k)))
    return cell


def separation(g):
    """The interval is that of within - between, chance being known exactly."""
    room = 1 - g.number("mean_chance")
    values = [g.number("mean_difference" + end) / room for end in ("_low", "_high")] if room > 0 else [math.nan, math.nan]
    return with_interval(g.number("separation"), *values)


def hit_rate(name, first):
    """The mean over gates as the analysis has it; its interval by resampling composites. rates: [composites, gates, 12]"""
    def cell(g):
        rates = g.arrays["rates"][:, :, first:first + 4] if g.arrays["rates"].shape[2] > first else None
        if rates is None:
            return "no fifth class"
        weights = np.random.default_rng(233).multinomial(len(rates), np.full(len(rates), 1 / len(rates)), size=DRAWS)
        sums, maps = np.nansum(rates, axis=2), np.isfinite(rates).sum(axis=2)
        with np.errstate(invalid="ignore"):
            draws = np.nanmean((weights @ sums) / (weights @ maps), axis=1)
        return with_interval(g.number(name), *np.quantile(draws, [0.025, 0.975]))
    return cell


def listed(name, beside=None):
    """A column's values with their intervals, one after the other, each with its control in parentheses."""
    def cell(g):
        texts = []
        for i, value in enumerate(g.table[name]):
            control = "" if beside is None else " (%s)" % percent(g.table[beside][i], 0)
            texts.append("–" if math.isnan(value) else
                         with_interval(value, g.table[name + "_low"][i], g.table[name + "_high"][i], 0) + control)
        return ", ".join(texts)
    return cell
