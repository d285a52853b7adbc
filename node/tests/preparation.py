"""What commands that make datasets from others must give, by pandas.

Reads from standard input {"registers": {name: [[unit, value, start, stop], ...]}, "cases": [names]} and writes {case: {unit: value}}. Days are numbers of
days since 1970-01-01, units and what pointers point to are numbers, missing values are null. Each case is written from the words of docs/LANGUAGE.md.
"""

import json
import sys

import numpy as np
import pandas as pd

given = json.load(sys.stdin)


def register(name):
    return pd.DataFrame(given["registers"][name], columns=["unit", "value", "start", "stop"])


def fixed(name):
    return register(name).set_index("unit")["value"]


def at(name, day):
    rows = register(name)
    holds = (rows.start <= day) & (rows.stop.isna() | (rows.stop >= day))
    return rows[holds].set_index("unit")["value"]


def gini(values):
    ordered = np.sort(values.dropna().to_numpy(dtype=float))
    n, total = len(ordered), ordered.sum()
    if n == 0 or total <= 0:
        return np.nan
    return ((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total)


def share_error(values):
    present = values.dropna()
    if len(present) == 0:
        return np.nan
    p = present.mean()
    return np.sqrt(p * (1 - p) / len(present)) if 0 <= p <= 1 else np.nan


STATISTICS = {
    "mean": lambda x: x.mean(),
    "min": lambda x: x.min(),
    "max": lambda x: x.max(),
    "median": lambda x: x.median(),
    "count": lambda x: x.count(),
    "sum": lambda x: x.sum(),
    "semean": lambda x: x.sem(),
    "sebinomial": share_error,
    "sd": lambda x: x.std(),
    "iqr": lambda x: x.quantile(0.75) - x.quantile(0.25),
    "gini": gini,
}

cases = pd.DataFrame({"person": fixed("CASE")}).join(fixed("SIZE").rename("size")).join(fixed("LATE").rename("late"))
people = pd.DataFrame({"born": fixed("BORN")})
people = people.join(fixed("MOTHER").rename("mother")).join(fixed("FAMILY").rename("family"))
people = people.join(at("WAGE", given["day"]).rename("wage"))


def groups(statistic, late_only=False):
    """Cases with a size, by person."""
    rows = cases[cases["size"].notna()]
    if late_only:
        rows = rows[rows.late == 1]
    value = "late" if statistic == "sebinomial" else "size"
    return rows.groupby("person")[value].apply(STATISTICS[statistic])


def percent():
    rows = cases[cases["size"].notna()]
    return 100 * rows.groupby("person")["size"].count() / len(rows)


def family(statistic):
    """Written back to each person of a family."""
    of = people[people.family.notna()].groupby("family")["wage"].apply(STATISTICS[statistic])
    return people.family.map(of)


def halves(statistic):
    half = np.floor(people.born / 3)
    return half.map(people.wage.groupby(half).apply(STATISTICS[statistic]))


def mothers():
    rich = people.wage[people.wage > 250]
    return people.mother.map(rich)


def grandmothers():
    of_mother = people.mother.map(people.mother)
    return of_mother.map(people.wage)


def spells(what):
    rows = register("JOB")
    first, last = given["first"], given["last"]
    rows = rows[(rows.start <= last) & (rows.stop.isna() | (rows.stop >= first))]
    rows = rows.assign(days=rows.stop - rows.start)
    by = rows.groupby("unit")
    if what == "count":
        return by.value.count()
    if what == "longest":
        return by.days.max()
    if what == "first":
        return by.start.min()
    return by.value.apply(lambda x: x.std())


def outer():
    rows = people.wage[people.wage.isin([100, 200, 300])]
    both = rows.index.union(fixed("FAMILY").index)
    return pd.Series(1.0, index=both).where(~both.isin(rows.index), 2.0)


def pay():
    """A row for each person and date at which there is pay or a family; only pay has dates."""
    dates = [at("PAY", day).rename("pay").to_frame().assign(date=n) for n, day in enumerate(given["years"])]
    rows = pd.concat(dates).reset_index()
    return rows.assign(family=rows.unit.map(fixed("FAMILY")))


def panel(what):
    rows = pay()
    if what in STATISTICS:
        of = (rows.pay > 300).astype(float) if what == "sebinomial" else rows.pay
        return of.groupby(rows.unit).apply(STATISTICS[what])
    if what in ("kept", "left"):
        rows = rows[(rows.pay > 150) & (rows.date >= 1)]
        by = rows.groupby("unit").pay
        return by.mean() if what == "kept" else by.sum()
    wide = rows.pivot(index="unit", columns="date", values="pay")
    if what == "rises":
        return wide[2] - wide[0]
    if what == "homes":
        home = np.floor(rows.unit.map(people.born) / 3)
        home = rows.groupby([home, rows.date]).pay.transform("mean")
        return home.groupby(rows.unit).max()
    if what == "years":
        rows = rows[rows.date < 2]
        home = rows.groupby(np.floor(rows.unit.map(people.born) / 2)).pay.transform("sum")
        return home.groupby(rows.unit).max()
    if what == "wide":
        wide = wide.reindex(people.index)
        return wide[0].fillna(0) + 3 * wide[2].fillna(0)
    of = people.index[people.born < 1900]
    return wide.reindex(of)[[0, 1]].isna().sum(axis=1)


CASES = {
    **{f"panel {s}": (lambda s=s: panel(s)) for s in STATISTICS},
    **{f"panel {w}": (lambda w=w: panel(w)) for w in ["kept", "left", "rises", "homes", "years", "wide", "units"]},
    "percent": percent,
    "mothers": mothers,
    "grandmothers": grandmothers,
    "outer": outer,
    **{f"cases {s}": (lambda s=s: groups(s)) for s in STATISTICS},
    **{f"late {s}": (lambda s=s: groups(s, True)) for s in ["mean", "count"]},
    **{f"family {s}": (lambda s=s: family(s)) for s in STATISTICS if s != "sebinomial"},
    **{f"halves {s}": (lambda s=s: halves(s)) for s in ["mean", "sum", "median"]},
    **{f"spells {w}": (lambda w=w: spells(w)) for w in ["count", "longest", "first", "sd"]},
}

answers = {}
for case in given["cases"]:
    values = CASES[case]()
    kept = {int(unit): float(value) for unit, value in values.items() if pd.notna(value) and np.isfinite(value)}
    answers[case] = kept
json.dump(answers, sys.stdout)
