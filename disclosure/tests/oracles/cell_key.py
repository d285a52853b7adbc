"""Perturbs given tables with the cell-key package of the UK Office for National Statistics.

Reads {"table": path of the perturbation table, "tables": [{"units": [[row, column], ...], "keys": [[row, column, key], ...]}]} as JSON, where row or column
is null for margins. Each unit gets a record key such that the keys of a cell add up to the key that is asked for; margins are tables of their own, as
their keys are. Prints, for each table, [[row, column, count, count or null where it is below 5], ...].
"""

import contextlib
import json
import os
import random
import sys

import pandas as pd
from cell_key_perturbation.create_perturbed_table import create_perturbed_table

KEYS = 256
# The package uses rows up to 750 and then repeats the last 250.
ROWS = 750


def published(path):
    table = pd.read_csv(path)
    last = table["pcv"].max()
    larger = [table[table["pcv"] == last].assign(pcv=count) for count in range(last + 1, ROWS + 1)]
    return pd.concat([table, *larger], ignore_index=True)


def record_keys(places, keys, dice):
    """Keys of units, without pattern but that those of a cell add up to the cell's."""
    of_units, rest = [dice.randrange(KEYS) for _ in places], dict(keys)
    last = {place: at for at, place in enumerate(places)}
    for at, place in enumerate(places):
        if at == last[place]:
            of_units[at] = rest[place] % KEYS
        else:
            rest[place] -= of_units[at]
    return of_units


def perturbed(units, keys, ptable, dice):
    rows = []
    for kept in ([True, True], [True, False], [False, True], [False, False]):
        place = lambda unit: tuple(value if keep else None for value, keep in zip(unit, kept))
        wanted = {(row, column): key for row, column, key in keys if [row is not None, column is not None] == kept}
        frame = pd.DataFrame(
            {
                # A margin is a category that all units have.
                "row": [row if kept[0] else -1 for row, _ in units],
                "column": [column if kept[1] else -1 for _, column in units],
                "key": record_keys([place(unit) for unit in units], wanted, dice),
            }
        )
        every, large = (
            create_perturbed_table(frame, ptable, ["row"], ["column"], "key", threshold=threshold)
            for threshold in (0, 5)
        )
        assert every[["row", "column"]].equals(large[["row", "column"]])
        for row, column, count, shown in zip(every["row"], every["column"], every["count"], large["count"]):
            rows.append(
                [
                    int(row) if kept[0] else None,
                    int(column) if kept[1] else None,
                    int(count),
                    None if pd.isna(shown) else int(shown),
                ]
            )
    return rows


def main():
    question = json.load(sys.stdin)
    dice = random.Random(1)
    # The package says what it does on the standard output.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        ptable = published(question["table"])
        answers = [perturbed(table["units"], table["keys"], ptable, dice) for table in question["tables"]]
    json.dump(answers, sys.stdout)


main()
