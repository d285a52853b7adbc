"""Has ACRO judge given cells and models.

Reads {"cells": [[value, ...], ...], "appetites": [{setting: number}, ...], "models": [[units, columns], ...]} as JSON. Prints {"cells": for each appetite and
cell the names of the checks of its sum that fail, "models": for each linear model of so many columns, the constant included, whether its degrees of freedom
fail}.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile

import numpy as np
import pandas as pd


def checked_cells(acro, cells):
    frame = pd.DataFrame(
        [(at, value) for at, values in enumerate(cells) for value in values], columns=["cell", "value"]
    )
    everybody = pd.Series(["all"] * len(frame), name="everybody")
    acro.crosstab(frame["cell"], everybody, values=frame["value"], aggfunc="sum")
    outcome = acro.results.get_index(-1).outcome["all"]
    assert list(outcome.index) == list(range(len(cells)))
    checks = lambda text: [] if text.strip() == "ok" else [name.strip() for name in text.split(";") if name.strip()]
    return [checks(text) for text in outcome]


def fails_model(acro, units, columns):
    draw = np.random.default_rng([units, columns])
    regressors = np.column_stack([np.ones(units), draw.normal(size=(units, columns - 1))])
    acro.ols(draw.normal(size=units), regressors)
    found = acro.results.get_index(-1)
    assert found.properties["dof"] == units - columns
    return found.status == "fail"


def main():
    question = json.load(sys.stdin)
    # ACRO writes beside where it runs, and talks on both outputs.
    os.chdir(tempfile.mkdtemp())
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(sys.stderr), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        from acro import ACRO

        acro = ACRO(config="default", suppress=False)
        cells = []
        for appetite in question["appetites"]:
            acro.sdc_checks.risk_appetite.update(appetite)
            cells.append(checked_cells(acro, question["cells"]))
        models = [fails_model(acro, *model) for model in question["models"]]
    json.dump({"cells": cells, "models": models}, sys.stdout)


main()
