"""The language's functions, by their definitions: reads [[name, [argument, ...]], ...] as JSON and prints the results.

Null is missing, and a number among the results stands as a text in a list, with all its digits. Written from docs/FUNCTIONS.md and Stata's manual, not from the product's code. Non-central distributions are summed or
integrated here as they are defined, term by term, since tails far out are wrong in the libraries.
"""

import datetime
import decimal
import fractions
import json
import math
import sys

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

DAY_ZERO = datetime.date(1970, 1, 1).toordinal()


def day(number):
    ordinal = math.floor(number) + DAY_ZERO
    return datetime.date.fromordinal(ordinal) if 1 <= ordinal <= 3652059 else None


def of_day(part):
    def of(number):
        return None if day(number) is None else part(day(number))

    return of


def date(year, month, day_of_month):
    if any(part != int(part) for part in (year, month, day_of_month)):
        return None
    try:
        return datetime.date(int(year), int(month), int(day_of_month)).toordinal() - DAY_ZERO
    except (ValueError, OverflowError):
        return None


def half_away(number):
    exact = decimal.Decimal(number)
    with decimal.localcontext(prec=400):
        return float(exact.quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))


def round_to(number, step=1.0):
    return half_away(number / abs(step)) * abs(step)


def string(value):
    if isinstance(value, str):
        return value
    text = format(decimal.Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def substr(text, position, length=math.inf):
    position = int(position)
    start = position - 1 if position > 0 else len(text) + position
    if position == 0 or start < 0 or length < 1:
        return ""
    end = len(text) if length > len(text) else start + int(length)
    return text[min(start, len(text)):end]


def comb(everything, chosen):
    if everything != int(everything) or chosen != int(chosen) or not 0 <= chosen <= everything:
        return None
    if min(chosen, everything - chosen) > 2000:
        return None
    return float(math.comb(int(everything), int(chosen)))


def lnfactorial(n):
    return float(special.gammaln(n + 1)) if n >= 0 and n == int(n) else None


def present(values):
    return pd.Series([value for value in values if value is not None], dtype="float64")


def median(values):
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float((fractions.Fraction(low) + fractions.Fraction(high)) / 2)


ROWS = {
    "rowmax": lambda *x: present(x).max(),
    "rowmin": lambda *x: present(x).min(),
    "rowmean": lambda *x: present(x).mean(),
    "rowmedian": lambda *x: median(x),
    "rowstd": lambda *x: present(x).std(),
    "rowtotal": lambda *x: present(x).sum(),
    "rowmissing": lambda *x: sum(value is None for value in x),
    "rowvalid": lambda *x: sum(value is not None for value in x),
    "sysmiss": lambda x: int(x is None),
}

NUMBERS = {
    "abs": abs, "acos": math.acos, "asin": math.asin, "atan": math.atan, "ceil": math.ceil, "comb": comb, "cos": math.cos,
    "exp": math.exp, "floor": math.floor, "int": math.trunc, "ln": math.log, "lnfactorial": lnfactorial,
    "log10": math.log10, "logit": lambda x: math.log(x / (1 - x)), "pi": lambda: math.pi, "round": round_to,
    "sin": math.sin, "sqrt": math.sqrt, "tan": math.tan,
}

DATES = {
    "date": date,
    "day": of_day(lambda d: d.day),
    "dow": of_day(lambda d: d.isoweekday()),
    "doy": of_day(lambda d: d.timetuple().tm_yday),
    "halfyear": of_day(lambda d: 1 if d.month <= 6 else 2),
    "isoformatdate": of_day(lambda d: d.isoformat()),
    "month": of_day(lambda d: d.month),
    "quarter": of_day(lambda d: (d.month - 1) // 3 + 1),
    "week": of_day(lambda d: d.isocalendar().week),
    "year": of_day(lambda d: d.year),
}

TEXTS = {
    "endswith": lambda text, part: int(text.endswith(part)),
    "length": len,
    "lower": str.lower,
    "ltrim": str.lstrip,
    "rowconcat": lambda *parts: "".join(string(part) for part in parts),
    "rtrim": str.rstrip,
    "startswith": lambda text, part: int(text.startswith(part)),
    "string": string,
    "substr": substr,
    "trim": str.strip,
    "upper": str.upper,
}

BELOW, ABOVE = 0, 1


def weights(m):
    """Poisson weights, with all numbers that can matter."""
    j = np.arange(0, m + 60 + 40 * math.sqrt(m) + 2000)
    return j, stats.poisson.pmf(j, m)


def chi2(side, x, v, m=0.0):
    if x <= 0:
        return float(side)
    of = special.gammaincc if side else special.gammainc
    if m == 0:
        return of(v / 2, x / 2)
    j, weight = weights(m / 2)
    return np.sum(weight * of(v / 2 + j, x / 2))


def chi2den(x, v, m=0.0):
    if m == 0:
        return stats.chi2.pdf(x, v)
    j, weight = weights(m / 2)
    return np.sum(weight * stats.chi2.pdf(x, v + 2 * j))


def f(side, x, v1, v2, m=0.0):
    if x <= 0:
        return float(side)
    j, weight = weights(m / 2) if m else (np.array([0.0]), np.array([1.0]))
    a, b, odds = v1 / 2 + j, v2 / 2, v1 / v2 * x
    below = special.betainc(a, b, odds / (1 + odds))
    # For small odds 1 / (1 + odds) has lost their digits.
    above = np.where(below < 0.5, 1 - below, special.betainc(b, a, 1 / (1 + odds)))
    return np.sum(weight * (above if side else below))


def fden(x, v1, v2, m=0.0):
    if m == 0:
        return stats.f.pdf(x, v1, v2)
    # F with v1 + 2j degrees of freedom is (v1 + 2j) / v1 times smaller.
    j, weight = weights(m / 2)
    scale = v1 / (v1 + 2 * j)
    return np.sum(weight * stats.f.pdf(x * scale, v1 + 2 * j, v2) * scale)


def beta(side, x, a, b):
    if x <= 0 or x >= 1:
        return float((x <= 0) == bool(side))
    return (stats.beta.sf if side else stats.beta.cdf)(x, a, b)


def over_spread(v, steps, of):
    """The mean of `of`(ln s, s) over s = sqrt(chi2 / v), by equal steps in ln s."""
    u = np.arange(-60 / v - 6, 4 + 20 / math.sqrt(v), steps)
    s = np.exp(u)
    constant = math.log(2) + v / 2 * math.log(v / 2) - special.gammaln(v / 2)
    return np.sum(np.exp(constant + v * u - v * s * s / 2 + of(s))) * steps


def steps(v, delta):
    return min(0.01, 0.05 / math.sqrt(v), 0.05 / (1 + abs(delta)))


def t(side, x, v, delta=0.0):
    if delta == 0:
        return (stats.t.sf if side else stats.t.cdf)(x, v)
    sign = -1 if side else 1
    return over_spread(v, steps(v, delta), lambda s: special.log_ndtr(sign * (x * s - delta)))


def tden(x, v, delta=0.0):
    if delta == 0:
        return stats.t.pdf(x, v)
    normal = -math.log(2 * math.pi) / 2
    return over_spread(v, steps(v, delta), lambda s: np.log(s) - (x * s - delta) ** 2 / 2 + normal)


def binomial(side, k, n, p):
    k, n = np.floor(k), np.floor(n)
    if k < 0 or k >= n:
        return float((k < 0) == bool(side))
    return (stats.binom.sf if side else stats.binom.cdf)(k, n, p)


def solve(side, p, tails):
    """The positive x with this probability on this side, by the smaller tail; none if the x is no number."""
    if p > 0.5:
        side, p = 1 - side, 1 - p

    def off(s):
        tail = tails(side, math.exp(s))
        distance = (math.log(tail) if tail > 0 else -math.inf) - math.log(p)
        return max(-1e9, min(1e9, -distance if side else distance))

    low, high = -700.0, 700.0
    if off(low) >= 0 or off(high) <= 0:
        return None
    return math.exp(optimize.brentq(off, low, high, xtol=1e-14, rtol=1e-14, maxiter=500))


def on_positive(side, p, tails):
    if not 0 <= p <= 1 or p == (0 if side else 1):
        return None
    return 0.0 if p == (1 if side else 0) else solve(side, p, tails)


def on_all(side, p, v, delta=0.0):
    if not 0 < p < 1:
        return None
    at_zero = special.ndtr(delta if side else -delta)
    if p == at_zero:
        return 0.0
    if (p > at_zero) == bool(side):
        return -solve(1 - side, p, lambda other, x: t(other, x, v, -delta))
    return solve(side, p, lambda other, x: t(other, x, v, delta))


def inverse_beta(side, p, a, b):
    if not 0 <= p <= 1:
        return None
    if p in (0, 1):
        return float((p == 1) != bool(side))

    def tails(other, odds):
        return special.betainc(b, a, 1 / (1 + odds)) if other else special.betainc(a, b, odds / (1 + odds))

    odds = solve(side, p, tails)
    return odds / (1 + odds)


def proper(function, parameters):
    """Missing unless the arguments at these places are positive."""

    def of(*arguments):
        if any(arguments[at] <= 0 for at in parameters if at < len(arguments)):
            return None
        return function(*arguments)

    return of


def bounded(function, place, low, high):
    """Missing for a non-centrality out of bounds."""
    return lambda *x: function(*x) if len(x) <= place or low <= x[place] <= high else None


def trials(function):
    return lambda k, n, p: function(k, n, p) if n >= 0 and 0 <= p <= 1 else None


LAMBDA, DELTA = (0, 10_000), (-1_000, 1_000)

DISTRIBUTIONS = {
    "normal": stats.norm.cdf,
    "normalden": proper(lambda x, mu=0.0, sigma=1.0: stats.norm.pdf(x, mu, sigma), [2]),
    "binomial": trials(lambda k, n, p: binomial(BELOW, k, n, p)),
    "binomialp": trials(lambda k, n, p: stats.binom.pmf(np.floor(k), np.floor(n), p)),
    "binomialtail": trials(lambda k, n, p: binomial(ABOVE, np.floor(k) - 1, n, p)),
    "chi2": proper(lambda x, v: chi2(BELOW, x, v), [1]),
    "chi2den": proper(chi2den, [1]),
    "chi2tail": proper(lambda x, v: chi2(ABOVE, x, v), [1]),
    "invchi2": proper(lambda p, v: on_positive(BELOW, p, lambda side, x: chi2(side, x, v)), [1]),
    "invchi2tail": proper(lambda p, v: on_positive(ABOVE, p, lambda side, x: chi2(side, x, v)), [1]),
    "nchi2": bounded(proper(lambda *x: chi2(BELOW, *x), [1]), 2, *LAMBDA),
    "nchi2den": bounded(proper(chi2den, [1]), 2, *LAMBDA),
    "nchi2tail": bounded(proper(lambda *x: chi2(ABOVE, *x), [1]), 2, *LAMBDA),
    "F": bounded(proper(lambda *x: f(BELOW, *x), [1, 2]), 3, *LAMBDA),
    "Fden": proper(fden, [1, 2]),
    "Ftail": bounded(proper(lambda *x: f(ABOVE, *x), [1, 2]), 3, *LAMBDA),
    "invF": proper(lambda p, v1, v2: on_positive(BELOW, p, lambda side, x: f(side, x, v1, v2)), [1, 2]),
    "invFtail": proper(lambda p, v1, v2: on_positive(ABOVE, p, lambda side, x: f(side, x, v1, v2)), [1, 2]),
    "invnFtail": bounded(
        proper(lambda p, v1, v2, m: on_positive(ABOVE, p, lambda side, x: f(side, x, v1, v2, m)), [1, 2]), 3, *LAMBDA
    ),
    "nF": bounded(proper(lambda *x: f(BELOW, *x), [1, 2]), 3, *LAMBDA),
    "nFden": bounded(proper(fden, [1, 2]), 3, *LAMBDA),
    "nFtail": bounded(proper(lambda *x: f(ABOVE, *x), [1, 2]), 3, *LAMBDA),
    "ibeta": proper(lambda x, a, b: beta(BELOW, x, a, b), [1, 2]),
    "ibetatail": proper(lambda x, a, b: beta(ABOVE, x, a, b), [1, 2]),
    "betaden": proper(stats.beta.pdf, [1, 2]),
    "invibeta": proper(lambda p, a, b: inverse_beta(BELOW, p, a, b), [1, 2]),
    "invibetatail": proper(lambda p, a, b: inverse_beta(ABOVE, p, a, b), [1, 2]),
    "t": proper(lambda x, v: t(BELOW, x, v), [1]),
    "tden": proper(tden, [1]),
    "ttail": proper(lambda x, v: t(ABOVE, x, v), [1]),
    "invt": proper(lambda p, v: on_all(BELOW, p, v), [1]),
    "invttail": proper(lambda p, v: on_all(ABOVE, p, v), [1]),
    "nt": bounded(proper(lambda *x: t(BELOW, *x), [1]), 2, *DELTA),
    "ntden": bounded(proper(tden, [1]), 2, *DELTA),
    "nttail": bounded(proper(lambda *x: t(ABOVE, *x), [1]), 2, *DELTA),
    "invnttail": bounded(proper(lambda p, v, d: on_all(ABOVE, p, v, d), [1]), 2, *DELTA),
}

STRICT = NUMBERS | DATES | TEXTS | DISTRIBUTIONS


def result(name, arguments):
    if name in ROWS:
        value = ROWS[name](*arguments)
    elif any(argument is None for argument in arguments):
        return None
    else:
        try:
            value = STRICT[name](*arguments)
        except (ValueError, OverflowError, ZeroDivisionError, decimal.InvalidOperation):
            return None
    if value is None or isinstance(value, str):
        return value
    return [repr(float(value))] if math.isfinite(value) else None


np.seterr(all="ignore")
print(json.dumps([result(name, arguments) for name, arguments in json.load(sys.stdin)]))
