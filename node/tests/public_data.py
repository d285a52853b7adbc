"""Public data as registers, and what scripts must make of them, by pandas.

`public_data.py FOLDER` writes data sets that come with statsmodels, palmerpenguins and vega_datasets to the folder, each column a register in the dataset
format, and prints [{name, script, column, unit, values, among, drawn}, ...]: each case has a script, the column that is looked at, and what the column must be at which
unit, computed here from the same data. Units of a type are numbers; row i of a data set is unit i. What is missing in the data has no row in its register, as with real
owners. Groups stay below five rows, or are one unit's: larger ones are blurred on purpose, and `among` names the units whose group is not.
"""

import json
import math
import pathlib
import re
import sys

import numpy as np
import palmerpenguins
import pandas as pd
import statsmodels.datasets
import vega_datasets
from scipy import stats

FOLDER = pathlib.Path(sys.argv[1])
SETS = pathlib.Path(statsmodels.datasets.__file__).parent
PENGUINS = pathlib.Path(palmerpenguins.__file__).parent / "data" / "penguins-raw.csv"
DAY_ZERO = pd.Timestamp("1970-01-01")


# Registers.


def control(digits, weights):
    return (11 - sum(d * w for d, w in zip(digits, weights)) % 11) % 11


def persons():
    """Identity numbers of people who are nobody: month + 80."""
    made = []
    for year in range(100):
        for day in range(1, 29):
            for individual in range(90):
                digits = [int(d) for d in f"{day:02}81{year:02}{individual:03}"]
                first = control(digits, [3, 7, 6, 1, 8, 9, 4, 5, 2])
                second = control([*digits, first], [5, 4, 3, 2, 7, 6, 5, 4, 3, 2])
                if first < 10 and second < 10:
                    made.append("".join(map(str, [*digits, first, second])))
    return made


PERSONS = persons()


def written(value):
    if isinstance(value, (float, np.floating)):
        text = np.format_float_positional(value, trim="-")
        assert float(text) == value
        return text
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d")
    return str(value)


def days(dates):
    return (pd.to_datetime(dates) - DAY_ZERO).dt.days.astype(float)


def title(text):
    return [{"languageCode": "en", "value": text}]


def register(name, rows, data_type, temporality="FIXED", unit="PERSON", codes=None):
    """Rows of unit, value, start and stop; pointers are written as `-> TYPE` and have numbers of people as values."""
    measure = {"name": title(name), "description": title(name)}
    if data_type.startswith("-> "):
        measure["unitType"] = data_type[3:]
        rows = [(at, PERSONS[int(value)], *of) for at, value, *of in rows]
    else:
        measure["dataType"] = data_type
        listed = [{"code": code, "categoryTitle": title(label), "validFrom": "1900-01-01"} for code, label in (codes or {}).items()]
        measure["valueDomain"] = {"codeList": listed} if codes else {"description": title(name)}
    metadata = {
        "temporalityType": temporality, "sensitivityLevel": "PUBLIC", "populationDescription": title("Public data"),
        "subjectFields": [title("Tests")], "dataRevision": {"description": title("First")},
        "identifierVariables": [{"unitType": unit}], "measureVariables": [measure],
    }
    folder = FOLDER / name
    folder.mkdir(parents=True)
    (folder / f"{name}.json").write_text(json.dumps(metadata), encoding="utf-8")
    with open(folder / f"{name}.csv", "w", encoding="utf-8") as file:
        for at, value, *of in rows:
            start, stop = of or ("", "")
            identity = PERSONS[at] if unit == "PERSON" else f"unit-{at}"
            text = written(value)
            assert text and ";" not in text, text
            file.write(f"{identity};{text};{start};{stop};\n")


def fixed(name, values, data_type, unit="PERSON", codes=None):
    """A series, without what is missing in it; texts as they are read from a file, without white space around them."""
    register(name, list(values.dropna().items()), data_type, unit=unit, codes=codes)


def whole(values):
    return values.astype("Int64")


# The data.

affairs = pd.read_csv(SETS / "fair" / "fair_pt.csv")
for column in ["sex", "nchildren", "religious", "education", "occupation", "rate_marriage"]:
    fixed(f"FAIR_{column.upper()}", whole(affairs[column]), "LONG")
for column in ["age", "nmarried", "naffairs"]:
    fixed(f"FAIR_{column.upper()}", affairs[column], "DOUBLE")

women = pd.read_csv(SETS / "fair" / "fair.csv")
fixed("WOMEN_AFFAIRS", women.affairs, "DOUBLE")
fixed("WOMEN_AGE", women.age, "DOUBLE")

election = pd.read_csv(SETS / "anes96" / "anes96.csv", sep="\t", quotechar="'")
PARTIES = {
    0: "Strong Democrat", 1: "Weak Democrat", 2: "Independent-Democrat", 3: "Independent-Independent",
    4: "Independent-Republican", 5: "Weak Republican", 6: "Strong Republican",
}
fixed("ANES_PID", election.PID, "LONG", codes=PARTIES)
for column in ["popul", "TVnews", "selfLR", "age", "educ", "income", "vote"]:
    fixed(f"ANES_{column.upper()}", election[column], "LONG")

births = pd.read_csv(SETS / "fertility" / "fertility.csv")
YEARS = [1960, 1970, 1980, 1990, 2000, 2005, 2011]
fixed("COUNTRY", births["Country Name"].str.strip(), "STRING")
fixed("COUNTRY_CODE", births["Country Code"], "STRING")
yearly = [(at, births.loc[at, str(year)], f"{year}-01-01", f"{year}-01-01") for at in births.index for year in range(1960, 2013)]
register("FERTILITY", [row for row in yearly if pd.notna(row[1])], "DOUBLE", "STATUS")

# Firms are units; each year of a firm is a spell, the last of which still holds, and a period.
firms = pd.read_csv(SETS / "grunfeld" / "grunfeld.csv")
firms["unit"] = firms.firm.map({firm: at for at, firm in enumerate(firms.firm.unique())})
for column in ["invest", "value", "capital"]:
    spells = [(row.unit, row[column], f"{row.year}-01-01", f"{row.year}-12-31" if row.year < 1954 else "") for _, row in firms.iterrows()]
    register(f"FIRM_{column.upper()}", spells, "DOUBLE", "EVENT")
periods = [(row.unit, row.invest, f"{row.year}-01-01", f"{row.year}-12-31") for _, row in firms.iterrows()]
register("FIRM_INVEST_YEAR", periods, "DOUBLE", "ACCUMULATED")

# Months are units, and days of equal weather on end are spells.
weather = pd.read_csv(vega_datasets.data.seattle_weather.filepath, parse_dates=["date"])
weather["unit"] = (weather.date.dt.year - 2012) * 12 + weather.date.dt.month - 1
weather["run"] = ((weather.weather != weather.weather.shift()) | (weather.unit != weather.unit.shift())).cumsum()
runs = weather.groupby("run").agg(unit=("unit", "first"), weather=("weather", "first"), start=("date", "min"), stop=("date", "max"), rain=("precipitation", "sum"))
runs = runs.reset_index(drop=True)
register("WEATHER", [(r.unit, r.weather, written(r.start), written(r.stop)) for r in runs.itertuples()], "STRING", "EVENT")
fixed("DAY_DATE", weather.date, "DATE")
fixed("DAY_RAIN", weather.precipitation, "DOUBLE")
fixed("DAY_HIGH", weather.temp_max, "DOUBLE")
fixed("DAY_LOW", weather.temp_min, "DOUBLE")

# Four ways to travel for each of 210 travellers: cases with a pointer, and missing waiting times made of the zeros of those who drive.
travel = pd.read_csv(SETS / "modechoice" / "modechoice.csv", sep=";")
travel["person"] = travel.individual - 1
travel["ttme"] = travel.ttme.where(travel.ttme > 0)
CASE = "KRG_KREFTTILFELLE"
fixed("TRIP_PERSON", travel.person, "-> PERSON", CASE)
for column in ["mode", "choice", "ttme", "invc", "invt", "gc"]:
    fixed(f"TRIP_{column.upper()}", whole(travel[column]), "LONG", CASE)
fixed("TRAVELLER_INCOME", travel.groupby("person").hinc.first(), "LONG")

penguins = pd.read_csv(PENGUINS)
penguins["Sex"] = penguins.Sex.where(penguins.Sex.isin(["MALE", "FEMALE"]))
for name, column, data_type in [
    ("STUDY", "studyName", "STRING"), ("SPECIES", "Species", "STRING"), ("ISLAND", "Island", "STRING"), ("STAGE", "Stage", "STRING"),
    ("BIRD", "Individual ID", "STRING"), ("CULMEN", "Culmen Length (mm)", "DOUBLE"), ("DEPTH", "Culmen Depth (mm)", "DOUBLE"),
    ("DELTA", "Delta 13 C (o/oo)", "DOUBLE"), ("COMMENT", "Comments", "STRING"),
]:
    fixed(f"PENGUIN_{name}", penguins[column].str.strip() if data_type == "STRING" else penguins[column], data_type)
fixed("PENGUIN_EGG", pd.to_datetime(penguins["Date Egg"]), "DATE")
fixed("PENGUIN_FLIPPER", whole(penguins["Flipper Length (mm)"]), "LONG")
fixed("PENGUIN_MASS", whole(penguins["Body Mass (g)"]), "LONG")
fixed("PENGUIN_SEX", penguins.Sex, "STRING", codes={"MALE": "Hann", "FEMALE": "Hunn"})

airports = pd.read_csv(vega_datasets.data.airports.filepath, dtype=str, keep_default_na=False).replace("", np.nan)
for column in ["iata", "name", "city", "state", "latitude", "longitude"]:
    fixed(f"AIRPORT_{column.upper()}", airports[column].str.strip(), "STRING")
# As Norwegian files have them.
fixed("AIRPORT_NORD", airports.latitude.str.replace(".", ","), "STRING")

deaths = pd.read_csv(vega_datasets.data.la_riots.filepath)
for column in ["first_name", "last_name", "race", "address", "type"]:
    fixed(f"DEATH_{column.upper()}", deaths[column].str.strip(), "STRING")
fixed("DEATH_AGE", whole(deaths.age), "LONG")
fixed("DEATH_DAY", pd.to_datetime(deaths.death_date), "DATE")

cars = pd.read_json(vega_datasets.data.cars.filepath)
cars["Year"] = pd.to_datetime(cars.Year)
fixed("CAR_NAME", cars.Name, "STRING")
fixed("CAR_MPG", cars.Miles_per_Gallon, "DOUBLE")
fixed("CAR_POWER", whole(cars.Horsepower), "LONG")
fixed("CAR_YEAR", cars.Year, "DATE")
fixed("CAR_ORIGIN", cars.Origin, "STRING")
fixed("CAR_WEIGHT", cars.Weight_in_lbs.map(lambda weight: f"{weight // 1000} {weight % 1000:03} lbs"), "STRING")
# To the model of that name before it.
cars["before"] = pd.Series(cars.index, index=cars.index).groupby(cars.Name).shift()
fixed("CAR_BEFORE", whole(cars.before), "-> PERSON")

# Which number a unit has.
fixed("A_NUMBER", pd.Series(range(len(women))), "LONG")
fixed("A_NUMBER_OF_CASES", pd.Series(range(len(travel))), "LONG", CASE)


# Cases.

cases = []


def plain(value):
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        raise TypeError("a date stands as its number of days")
    return value if isinstance(value, str) else float(value)


def case(name, script, values, column="x", unit="PERSON", among=None, drawn=None, nobody=False):
    """Missing values are left out. `among`: only these units are compared. `drawn`: from so many to so many of the units are there. `nobody` has a value?"""
    kept = {int(at): plain(value) for at, value in values.items()}
    kept = {at: value for at, value in kept.items() if value is not None}
    assert nobody == (not kept), name
    among = None if among is None else [int(at) for at in among]
    cases.append({"name": name, "script": script, "column": column, "unit": unit, "values": kept, "among": among, "drawn": drawn})


def head(dataset, *imports):
    return f"create-dataset {dataset}\n" + "".join(f"import db/{one}\n" for one in imports)


def gini(values):
    ordered = np.sort(values.dropna().to_numpy(dtype=float))
    n = len(ordered)
    if n == 0 or ordered.sum() <= 0:
        return np.nan
    # Half the mean absolute difference, over the mean: by its definition.
    return np.abs(ordered[:, None] - ordered[None, :]).sum() / (2 * n * n * ordered.mean())


def share_error(values):
    p = values.mean()
    return np.sqrt(p * (1 - p) / values.count()) if 0 <= p <= 1 else np.nan


STATISTICS = {
    "mean": pd.Series.mean, "min": pd.Series.min, "max": pd.Series.max, "median": pd.Series.median, "count": pd.Series.count, "sum": pd.Series.sum,
    "semean": pd.Series.sem, "sd": pd.Series.std, "iqr": lambda x: x.quantile(0.75) - x.quantile(0.25), "gini": gini,
}


def of_rules(values, rules, otherwise=None):
    """The first rule that matches wins; a rule is a test of the series and a target."""
    result = values.copy().astype(object) if otherwise is None else pd.Series(otherwise, index=values.index, dtype=object)
    done = pd.Series(False, index=values.index)
    for test, target in rules:
        hit = test(values).fillna(False).astype(bool) & ~done
        result[hit] = target
        done |= hit
    return result


def present(frame, *columns):
    return frame[frame[list(columns)].notna().all(axis=1)]


# recode, in all forms.
bird = head("d", "PENGUIN_BIRD as id", "PENGUIN_MASS as x", "PENGUIN_FLIPPER as f", "PENGUIN_SEX as s", "PENGUIN_ISLAND as i")
mass, flipper = penguins["Body Mass (g)"], penguins["Flipper Length (mm)"]
case("recode ranges, missing, rest", bird + "recode x (missing = -1) (min/3500 = 1) (3501/4500 = 2 middels) (* = 3 tung)\n",
     of_rules(mass, [(pd.isna, -1), (lambda v: v <= 3500, 1), (lambda v: v.between(3501, 4500), 2), (lambda v: v > -math.inf, 3)]))
case("recode first match", bird + "recode x (3700/4200 = 1) (3800 3950 4300 = 2) (4000/max = 3)\n",
     of_rules(mass, [(lambda v: v.between(3700, 4200), 1), (lambda v: v.isin([3800, 3950, 4300]), 2), (lambda v: v >= 4000, 3)]))
case("recode nonmissing", bird + "recode x (3750 = .) (nonmissing = 7) (missing = 99 \"vet ikke\" missing)\n",
     of_rules(mass, [(lambda v: v == 3750, None), (pd.notna, 7), (pd.isna, 99)]))
case("recode if", bird + "recode x (min/4000 = 0) (4001/max = 1) if f > 195\n",
     mass.where(~(flipper > 195), (mass > 4000).astype(float)).where(mass.notna()))
case("recode codes to numbers", bird + 'recode s ("MALE" = 1 hann) ("FEMALE" = 2 hunn) (missing = 9 ukjent missing)\n',
     penguins.Sex.map({"MALE": 1, "FEMALE": 2}).fillna(9), "s")
case("recode texts", bird + 'recode i ("Biscoe" "Dream" = "vest") (* = "annet")\n',
     penguins.Island.map(lambda i: "vest" if i in ["Biscoe", "Dream"] else "annet"), "i")
case("recode generate", bird + "recode x f (min/200 = 0) (201/4000 = 1) (4001/max = 2), generate(tung lang)\ngenerate y = 10 * tung + lang\n",
     10.0 * (mass > 200) + (mass > 4000) * 10.0 + 1.0 * (flipper > 200) + 0 * mass, "y")
fair = head("d", *(f"FAIR_{name.upper()} as {name}" for name in ["age", "sex", "nchildren", "religious", "education", "occupation", "rate_marriage", "nmarried", "naffairs"]))
case("recode fractions", fair + "recode age (17.5 = 1) (22/27 = 2) (27/37 = 3) (37.5/max = 4)\n",
     of_rules(affairs.age, [(lambda v: v == 17.5, 1), (lambda v: v.between(22, 27), 2), (lambda v: v.between(27, 37), 3), (lambda v: v >= 37.5, 4)]), "age")
case("recode prefix", fair + "recode nchildren religious (0/1 = 0) (2/3 = 1) (4/max = 2), prefix(n_)\ngenerate x = n_nchildren * 10 + n_religious + nchildren * 100\n",
     np.searchsorted([1, 3], affairs.nchildren) * 10.0 + np.searchsorted([1, 3], affairs.religious) + affairs.nchildren * 100.0)
case("recode twice", fair + "recode occupation (1/3 = 4) (4/7 = 1)\nrecode occupation (1 = 7) (4 = 0)\n",
     affairs.occupation.map(lambda o: 0 if o <= 3 else 7), "occupation")

# destring of texts as they are.
port = head("d", "AIRPORT_IATA as kode", "AIRPORT_LATITUDE as nord", "AIRPORT_NORD as n", "AIRPORT_NAME as navn")


def number(text):
    """Signs, digits and a point; what looks like a power of ten is a code, as the airport 0E0."""
    return float(text) if isinstance(text, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text.strip()) else math.nan


case("destring codes", port + "destring kode\n", airports.iata.map(number), "kode", nobody=True)
case("destring ignore", port + 'destring kode, prefix(t_) ignore("MRV")\n', airports.iata.str.replace("[MRV]", "", regex=True).map(number), "t_kode")
case("destring latitude", port + "destring nord, force\n", airports.latitude.astype(float), "nord")
case("destring dpcomma", port + "destring n, dpcomma\ndestring nord\ngenerate x = abs(n - nord) < 0.0000001\n", pd.Series(1, index=airports.index))
case("destring comma unread", port + "destring n\n", airports.latitude.str.replace(".", ",").map(number), "n", nobody=True)
case("destring names", port + "destring navn, force\n", airports.name.map(number), "navn", nobody=True)
car = head("d", "CAR_NAME as navn", "CAR_WEIGHT as vekt", "CAR_MPG as mpg", "CAR_POWER as hk", "CAR_YEAR as dag", "CAR_ORIGIN as fra", "CAR_BEFORE as forrige")
case("destring weights", car + 'destring vekt, ignore(" lbs")\n', cars.Weight_in_lbs, "vekt")
dead = head("d", "DEATH_TYPE as slag", "DEATH_ADDRESS as sted", "DEATH_AGE as alder", "DEATH_DAY as dag", "DEATH_RACE as r", "DEATH_FIRST_NAME as fornavn", "DEATH_LAST_NAME as navn")
letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
stripped = deaths.address.map(lambda a: a if pd.isna(a) else "".join(c for c in a if c not in letters + " .&'-/,#"))
case("destring addresses", dead + f"destring sted, ignore(\"{letters} .&'-/,#\")\n", stripped.map(number), "sted")

# collapse and aggregate over cases, four to a person.
trip = head("t", "TRIP_MODE as måte", "TRIP_CHOICE as valgt", "TRIP_TTME as venting", "TRIP_INVC as pris", "TRIP_GC as kostnad", "TRIP_PERSON as person")
of_person = travel.groupby("person")
for statistic, of in STATISTICS.items():
    case(f"trips {statistic}", trip + f"collapse ({statistic}) venting -> x, by(person)\n", of_person.ttme.apply(of))
    case(f"cost {statistic}", trip + f"collapse ({statistic}) kostnad -> x, by(person)\n", of_person.gc.apply(of))
case("trips sebinomial", trip + "collapse (sebinomial) valgt -> x, by(person)\n", of_person.choice.apply(share_error))
case("trips percent", trip + "collapse (percent) venting -> x, by(person)\n", 100 * of_person.ttme.count() / travel.ttme.count())
chosen = travel[travel.choice == 1]
case("chosen", trip + "keep if valgt == 1 & måte != 4\ncollapse (max) måte -> x, by(person)\n", chosen[chosen["mode"] != 4].groupby("person")["mode"].max())
case("several statistics", trip + "collapse (mean) kostnad pris -> snitt (sd) kostnad -> spredt (count) venting -> n, by(person)\n"
     "import db/TRAVELLER_INCOME as inntekt\ngenerate x = kostnad + 2 * snitt + 3 * spredt + 5 * n + 7 * inntekt\n",
     of_person.gc.mean() + 2 * of_person.invc.mean() + 3 * of_person.gc.std() + 5 * of_person.ttme.count() + 7 * of_person.hinc.first())
for statistic, of in STATISTICS.items():
    case(f"trips beside their {statistic}", trip + f"aggregate ({statistic}) kostnad -> g, by(person)\ngenerate x = kostnad - g\n",
         travel.gc - travel.person.map(of_person.gc.apply(of)), unit=CASE)

# Groups by values: nests of two birds, and models of cars with few of a name.
nest = "create-dataset d\nimport db/PENGUIN_BIRD as id\nimport db/PENGUIN_STUDY as studie\nimport db/PENGUIN_SPECIES as art\nimport db/PENGUIN_MASS as vekt\nimport db/PENGUIN_CULMEN as nebb\n" \
    "generate rede = substr(id, 1, length(id) - 2)\n"
penguins["nest"] = penguins["Individual ID"].str[:-2]
nests = penguins.groupby(["studyName", "Species", "nest"])
few = nests["Individual ID"].transform("size") < 5
for statistic, of in STATISTICS.items():
    values = nests["Culmen Length (mm)"].transform(of)
    case(f"nests {statistic}", nest + f"aggregate ({statistic}) nebb -> x, by(studie art rede)\n", values[few], among=penguins.index[few])
models = cars.groupby("Name")
few = models.Name.transform("size") < 5
for statistic in ["mean", "median", "sum", "count", "sd"]:
    target = head("e", "CAR_ORIGIN as fra", "CAR_NAME as modell") + "use d\nmerge x into e on modell\nuse e\n"
    values = cars.Name.map(models.Horsepower.apply(STATISTICS[statistic]))
    case(f"models {statistic}", car + f"collapse ({statistic}) hk -> x, by(navn)\n" + target, values[few], among=cars.index[few])

# merge: the same units of other data, and what a pointer names.
both = head("a", "FAIR_AGE as alder") + "keep if alder >= 32\ngenerate eldre = alder * 2\n" + head("e", "ANES_AGE as a") + "use a\nmerge eldre into e\nuse e\n"
case("merge units", both + "generate x = a + eldre\n", (election.age + 2 * affairs.age.where(affairs.age >= 32)).reindex(election.index))
case("merge missing", both + "generate x = rowmissing(a, eldre)\n", affairs.age.where(affairs.age >= 32).reindex(election.index).isna().astype(float))
before = "clone-dataset d f\nuse f\nkeep mpg navn\nrename mpg x\nkeep if x > 15\nuse f\nmerge x into d on forrige\nuse d\n"
case("merge pointer", car + before, cars.before.map(cars.Miles_per_Gallon.where(cars.Miles_per_Gallon > 15)))
case("merge pointer difference", car + before + "generate y = mpg - x\n", cars.Miles_per_Gallon - cars.before.map(cars.Miles_per_Gallon.where(cars.Miles_per_Gallon > 15)), "y")

# Spells. A firm's are its own, so that twenty of them are exact.
for what, of in [("invest", "INVEST"), ("capital", "CAPITAL")]:
    for statistic, by in STATISTICS.items():
        case(f"{what} {statistic}", f"create-dataset f\nimport-event db/FIRM_{of} 1935-01-01 to 1954-12-31 as v\ncollapse ({statistic}) v -> x, by(PERSONID_1)\n",
             firms.groupby("unit")[what].apply(by))
window = firms[firms.year.between(1940, 1947)]
case("window", "create-dataset f\nimport-event db/FIRM_VALUE 1940-12-31 to 1947-01-01 as v\ncollapse (mean) v -> x, by(PERSONID_1)\n", window.groupby("unit")["value"].mean())
case("open spells", "create-dataset f\nimport-event db/FIRM_VALUE 1953-06-30 to 1960-01-01 as v\ngenerate åpen = sysmiss(STOP@v)\ncollapse (sum) åpen (count) v -> n, by(PERSONID_1)\ngenerate x = 10 * åpen + n\n",
     firms.groupby("unit").year.apply(lambda y: 10 * (y == 1954).sum() + (y >= 1953).sum()))
spell = "create-dataset v\nimport-event db/WEATHER 2012-01-01 to 2015-12-31 as vær\ngenerate dager = STOP@vær - START@vær + 1\ngenerate regn = vær == 'rain'\ngenerate fra = START@vær\n"
runs["days"] = (runs["stop"] - runs.start).dt.days + 1
runs["wet"] = (runs.weather == "rain").astype(float)
of_month = runs.groupby("unit")
for statistic, by in STATISTICS.items():
    case(f"weather {statistic}", spell + f"collapse ({statistic}) dager -> x, by(PERSONID_1)\n", of_month.days.apply(by))
case("weather sebinomial", spell + "collapse (sebinomial) regn -> x, by(PERSONID_1)\n", of_month.wet.apply(share_error))
case("weather percent", spell + "collapse (percent) vær -> x, by(PERSONID_1)\n", 100 * of_month.days.count() / len(runs))
case("first rain", spell + "keep if regn\ngenerate dag = day(fra)\ncollapse (min) dag -> x, by(PERSONID_1)\n", runs[runs.wet == 1].assign(day=runs.start.dt.day).groupby("unit").day.min())
case("last weather", spell + "drop if month(fra) == 2\ncollapse (max) vær -> x, by(PERSONID_1)\n", runs[runs.start.dt.month != 2].groupby("unit").weather.max())
summer = runs[(runs.start <= "2014-08-31") & (runs["stop"] >= "2013-06-15")]
case("some weather", spell.replace("2012-01-01 to 2015-12-31", "2013-06-15 to 2014-08-31") + "collapse (sum) dager -> x, by(PERSONID_1)\n", summer.groupby("unit").days.sum())

# Row functions over years, with years missing as they are.
rates = births[[str(year) for year in YEARS]]
imports = head("d", "COUNTRY as land", *(f"FERTILITY {year}-01-01 as f{year}" for year in YEARS))
names = ", ".join(f"f{year}" for year in YEARS)
for function, of in [
    ("rowmean", rates.mean(axis=1)), ("rowmedian", rates.median(axis=1)), ("rowstd", rates.std(axis=1)), ("rowmax", rates.max(axis=1)), ("rowmin", rates.min(axis=1)),
    ("rowtotal", rates.sum(axis=1)), ("rowmissing", rates.isna().sum(axis=1)), ("rowvalid", rates.notna().sum(axis=1)),
]:
    case(function, imports + f"generate x = {function}({names})\n", of)
case("first year decides", head("d", "FERTILITY 2011-01-01 as f", "FERTILITY 1960-01-01 as g", "COUNTRY as land") + "generate x = f / g\n", births["2011"] / births["1960"])
case("change", imports + "generate x = -1\nreplace x = f2000 - f1960 if !sysmiss(f2000) & !sysmiss(f1960)\nreplace x = . if f1960 < 4\n",
     (births["2000"] - births["1960"]).fillna(-1).where(~(births["1960"] < 4)))
case("years of firms", head("d", *(f"FIRM_INVEST_YEAR {year}-06-30 as i{year}" for year in range(1935, 1955))) + f"generate x = rowstd({', '.join(f'i{year}' for year in range(1935, 1955))})\n",
     firms.groupby("unit").invest.std())
case("missing in arithmetic", car + "generate x = mpg * 2 + hk\n", cars.Miles_per_Gallon * 2 + cars.Horsepower)
case("missing in comparisons", car + "generate x = (mpg > 20) + 2 * (hk <= 100) + 4 * (mpg != 18) + 8 * (hk == 130) + 16 * !(mpg > 20)\n",
     1.0 * (cars.Miles_per_Gallon > 20) + 2 * (cars.Horsepower <= 100) + 4 * (cars.Miles_per_Gallon != 18) + 8 * (cars.Horsepower == 130) + 16 * ~(cars.Miles_per_Gallon > 20))
case("logic", car + "generate x = inrange(mpg, 15, 20.5) + 2 * inlist(hk, 90, 100, 110) + 4 * sysmiss(mpg) + 8 * (mpg > 30 | hk > 150) + 16 * (mpg > 15 & !sysmiss(hk))\n",
     1.0 * cars.Miles_per_Gallon.between(15, 20.5) + 2 * cars.Horsepower.isin([90, 100, 110]) + 4 * cars.Miles_per_Gallon.isna()
     + 8 * ((cars.Miles_per_Gallon > 30) | (cars.Horsepower > 150)) + 16 * ((cars.Miles_per_Gallon > 15) & cars.Horsepower.notna()))

# Panels: rows of units and dates, and columns of dates again.
years = [1960, 1980, 2000, 2011]
panel = f"create-dataset p\nimport-panel db/FERTILITY db/COUNTRY {' '.join(f'{year}-01-01' for year in years)} as f land\n"
long = births.reset_index(names="unit").melt("unit", [str(year) for year in years], "year", "f")
# Only rates have dates: a row is there where there is a rate.
long = long.assign(year=long.year.astype(int)).dropna(subset="f")
of_country = long.groupby("unit").f
for statistic, of in STATISTICS.items():
    case(f"panel {statistic}", panel + f"collapse ({statistic}) f -> x, by(PERSONID_1)\n", of_country.apply(of))
case("panel of some years", panel + "keep if year(date@panel) >= 1980 & f > 2\ncollapse (count) f -> x, by(PERSONID_1)\n", long[(long.year >= 1980) & (long.f > 2)].groupby("unit").f.count())
case("panel to columns", panel + "generate g = f * 2 if date@panel > 0\nreshape-from-panel\ngenerate x = g2000 - f1960\n", births["2000"] * 2 - births["1960"])
case("columns to a panel", imports + "reshape-to-panel f\ngenerate x = f if date@panel >= 1980\ncollapse (max) x (count) f -> n, by(PERSONID_1)\ngenerate y = x + 100 * n\n",
     births[[str(year) for year in YEARS if year >= 1980]].max(axis=1) + 100 * rates.notna().sum(axis=1), "y")
case("there and back", imports + "reshape-to-panel f\nreplace f = f + 1\nreshape-from-panel\ngenerate x = f1970 + f2011\n", births["1970"] + births["2011"] + 2)
firm_panel = "create-dataset p\nimport-panel db/FIRM_INVEST_YEAR db/FIRM_VALUE 1936-06-30 1941-06-30 1946-06-30 1951-06-30 as inv verdi\n"
some = firms[firms.year.isin([1936, 1941, 1946, 1951])]
case("firms by year", firm_panel + "generate forhold = inv / verdi\ncollapse (mean) forhold (iqr) inv -> spenn, by(PERSONID_1)\ngenerate x = forhold + spenn\n",
     (some.invest / some.value).groupby(some.unit).mean() + some.groupby("unit").invest.apply(STATISTICS["iqr"]))

# Dates.
egg = pd.to_datetime(penguins["Date Egg"])
for dates, script, column in [(weather.date, head("d", "DAY_DATE as d"), "days"), (egg, head("d", "PENGUIN_EGG as d"), "eggs"), (pd.to_datetime(deaths.death_date), head("d", "DEATH_DAY as d"), "deaths")]:
    of = dates.dt
    parts = {
        "year": of.year, "month": of.month, "day": of.day, "quarter": of.quarter, "dow": of.day_of_week + 1, "doy": of.day_of_year,
        "week": of.isocalendar().week, "halfyear": (of.quarter + 1) // 2,
    }
    for part, values in parts.items():
        case(f"{part} of {column}", script + f"generate x = {part}(d)\n", values)
    case(f"iso of {column}", script + "generate x = isoformatdate(d)\n", of.strftime("%Y-%m-%d"))
    case(f"end of month of {column}", script + "generate x = date(year(d) + (month(d) == 12), month(d) + 1 - 12 * (month(d) == 12), 1) - 1 - d\n", (dates + pd.offsets.MonthEnd(0) - dates).dt.days)

# Texts.
country = head("d", "COUNTRY as land", "COUNTRY_CODE as kode")
name = births["Country Name"].str.strip()
for function, values in [
    ("upper(land)", name.str.upper()), ("lower(land)", name.str.lower()), ("length(land)", name.str.len()), ("substr(land, -4, 3)", name.map(lambda n: n[-4:-1] if len(n) >= 4 else "")),
    ("substr(land, 3, 5)", name.str[2:7]), ("startswith(land, 'S')", 1 * name.str.startswith("S")), ("endswith(land, 'land')", 1 * name.str.endswith("land")),
    ("rowconcat(kode, ' ', land)", births["Country Code"] + " " + name), ("trim(substr(land, 1, 6))", name.str[:6].str.strip()),
    ("ltrim(substr(land, 6, 9))", name.str[5:14].str.lstrip()), ("rtrim(substr(land, 1, 6))", name.str[:6].str.rstrip()), ("land > 'Côte'", 1 * (name > "Côte")),
]:
    case(f"text {function}", country + f"generate x = {function}\n", values)
case("text of numbers", bird + "import db/PENGUIN_CULMEN as n\nimport db/PENGUIN_DELTA as c13\ngenerate y = rowconcat(string(n), '/', c13, '/', x)\n",
     pd.Series([f"{a!r}/{b!r}/{int(c)}".replace(".0/", "/") if pd.notna([a, b, c]).all() else None for a, b, c in zip(penguins["Culmen Length (mm)"], penguins["Delta 13 C (o/oo)"], mass)]), "y")
case("comments", head("d", "PENGUIN_STAGE as s", "PENGUIN_COMMENT as k") + "generate x = length(k) if startswith(k, 'N') | endswith(k, '.')\n",
     penguins.Comments.str.strip().map(lambda c: len(c) if isinstance(c, str) and (c.startswith("N") or c.endswith(".")) else np.nan))
case("initials", dead + "generate x = rowconcat(substr(fornavn, 1, 1), substr(navn, 1, 1))\n", deaths.first_name.str.strip().str[:1] + deaths.last_name.str.strip().str[:1])

# Labels, of a register's code list and of the script's.
anes = head("d", "ANES_PID as parti", "ANES_AGE as alder", "ANES_EDUC as utd", "ANES_INCOME as inntekt", "ANES_TVNEWS as tv", "ANES_POPUL as by", "ANES_VOTE as stemme")
label = election.PID.map(PARTIES)
case("labels of codes", anes + "generate x = labelcontains(parti, 'Independent') + 2 * inlabels(parti, 'Weak Democrat', 'Strong Republican') + 4 * (parti == label_to_code(parti, 'Strong Democrat'))\n",
     1.0 * label.str.contains("Independent") + 2 * label.isin(["Weak Democrat", "Strong Republican"]) + 4 * (label == "Strong Democrat"))
case("labels of the script", anes + "define-labels nivå 1 'Grade 1-8' 2 'Some high school' 3 'High school' 4 College 5 'Junior college' 6 Bachelor 7 Master\nassign-labels utd nivå\n"
     "generate x = labelcontains(utd, 'ollege') + 2 * inlabels(utd, Master, 'High school')\n", 1.0 * election.educ.isin([4, 5]) + 2 * election.educ.isin([3, 7]))

# Functions of numbers and distributions at real values.
z = (election.age - 47.0) / 16.4
for function, values in [
    ("normal((alder - 47) / 16.4)", stats.norm.cdf(z)), ("normalden(alder, 47, 16.4)", stats.norm.pdf(election.age, 47, 16.4)), ("ln(by)", np.log(election.popul.astype(float).replace(0, np.nan))),
    ("sqrt(by) + exp(-alder / 10)", np.sqrt(election.popul) + np.exp(-election.age / 10)), ("round(alder, 5)", np.floor(election.age / 5 + 0.5) * 5),
    ("int(alder / 7) + ceil(inntekt / 5) + floor(-alder / 9)", np.trunc(election.age / 7) + np.ceil(election.income / 5) + np.floor(-election.age / 9)),
    ("binomial(tv, 7, 0.5)", stats.binom.cdf(election.TVnews, 7, 0.5)), ("chi2tail(inntekt, utd)", stats.chi2.sf(election.income, election.educ)),
    ("t((alder - 47) / 16.4, inntekt)", stats.t.cdf(z, election.income)), ("F(inntekt / 10, utd, tv + 1)", stats.f.cdf(election.income / 10, election.educ, election.TVnews + 1)),
    ("ibeta(alder / 100, utd, inntekt)", stats.beta.cdf(election.age / 100, election.educ, election.income)), ("comb(inntekt, utd)", [math.comb(i, e) if e <= i else np.nan for i, e in zip(election.income, election.educ)]),
    ("invchi2(alder / 100, utd)", stats.chi2.ppf(election.age / 100, election.educ)), ("logit(alder / 100)", np.log(election.age / (100 - election.age))),
    ("log10(inntekt) + abs(-tv) + lnfactorial(utd)", np.log10(election.income) + election.TVnews + [math.lgamma(e + 1) for e in election.educ]),
    ("sin(alder) * cos(by) + atan(inntekt) - tan(utd)", np.sin(election.age) * np.cos(election.popul) + np.arctan(election.income) - np.tan(election.educ)),
]:
    case(function, anes + f"generate x = {function}\n", pd.Series(np.asarray(values, dtype=float), index=election.index))

# Who is there.
case("keep and drop", car + "keep if mpg >= 18 & fra != 'Japan'\ndrop if hk > 120 | year(dag) == 1973\ngenerate x = mpg + hk / 1000\n",
     (lambda c: c.Miles_per_Gallon + c.Horsepower / 1000)(cars[(cars.Miles_per_Gallon >= 18) & (cars.Origin != "Japan") & ~((cars.Horsepower > 120) | (cars.Year.dt.year == 1973))]))
case("inner_join", head("d", "CAR_NAME as navn", "CAR_MPG as x, inner_join", "CAR_POWER as hk, inner_join") + "generate y = x * hk\n", cars.Miles_per_Gallon * cars.Horsepower, "y")
case("outer_join", head("d", "PENGUIN_DELTA as d", "CAR_MPG as m, outer_join") + "generate x = sysmiss(d) + 2 * sysmiss(m)\n",
     (lambda d, m: (1.0 * d.isna() + 2 * m.isna())[d.notna() | m.notna()])(penguins["Delta 13 C (o/oo)"].reindex(range(406)), cars.Miles_per_Gallon.reindex(range(406))))
case("values", head("d", 'CAR_ORIGIN as fra, values("Japan" "Europe")', "CAR_POWER as hk, values(65 67 68 70 75 88 90)") + "generate x = hk + 1000 * (fra == 'Japan')\n",
     (cars.Horsepower.where(cars.Horsepower.isin([65, 67, 68, 70, 75, 88, 90])) + 1000 * (cars.Origin == "Japan"))[cars.Origin != "USA"])
case("values of texts missing later", head("d", "CAR_NAME as navn", 'CAR_ORIGIN as fra, values("Japan")') + "generate x = sysmiss(fra)\n", 1.0 * (cars.Origin != "Japan"))
strong = cars.index[cars.Horsepower > 100]
case("values_from", head("s", "CAR_POWER as hk") + "keep if hk > 100\n" + head("d", "CAR_BEFORE as forrige, values_from(s)", "CAR_POWER as x"), cars.Horsepower[cars.before.isin(strong)])


def parts(values, count):
    """Which part of equal size, for those whose value is none of the ten about a border, nor one as far as one row beside them."""
    ordered = np.sort(values.dropna().to_numpy())
    places = [round(k * (len(ordered) - 1) / count) for k in range(1, count)]
    below = pd.Series(0.0, index=values.index)
    clear = values.notna()
    for place in places:
        low, high = ordered[max(place - 6, 0)], ordered[min(place + 6, len(ordered) - 1)]
        below += (values > high).astype(float)
        clear &= (values < low) | (values > high)
    return below[clear], values.index[clear | values.isna()]


for what, count, script, values in [("mpg", 4, car, cars.Miles_per_Gallon), ("masses", 3, bird.replace(" as x", " as mpg"), mass)]:
    values, among = parts(values, count)
    case(f"{count} parts of {what}", script + f"generate q = quantile(mpg, {count})\n", values, "q", among=among)

# Draws are secret. How many they are is not, and that a seed draws the same units in every dataset.
everybody = head("a", "WOMEN_AFFAIRS as v") + "generate x = 1\nsample 0.3 4711\n" + head("b", "WOMEN_AGE as alder") + "sample 0.3 4711\nuse a\nmerge x into b\nuse b\n"
case("sample twice", everybody, pd.Series(1.0, index=women.index), drawn=[1700, 2120])
case("sample so many", head("a", "WOMEN_AGE as x") + "sample 1234 99\n", women.age, drawn=[1234, 1234])
case("sample of some", head("a", "WOMEN_AGE as x") + "keep if x > 25\nsample 0.5 3\ngenerate y = x * 2\n", women.age[women.age > 25] * 2, "y",
     drawn=[int((women.age > 25).sum() * 0.45), int((women.age > 25).sum() * 0.55)])

# Copies and names.
copies = car + "clone-variables mpg -> forbruk\nreplace mpg = 235.215 / mpg\nclone-dataset d e\nuse e\nreplace forbruk = . if hk > 100\n"
case("clones", copies + "generate x = mpg + 1000 * forbruk\n", 235.215 / cars.Miles_per_Gallon + 1000 * cars.Miles_per_Gallon.where(~(cars.Horsepower > 100)))
case("the original", copies + "use d\ngenerate x = mpg + 1000 * forbruk\n", 235.215 / cars.Miles_per_Gallon + 1000 * cars.Miles_per_Gallon)
case("units alone", car + "keep if mpg > 30\nclone-units d f\nuse f\nimport db/CAR_POWER as x\n", cars.Horsepower[cars.Miles_per_Gallon > 30])
case("renamed", car + "rename mpg forbruk\nrename-dataset d biler\ncreate-dataset annet\nuse biler\ndrop hk navn\ngenerate hk = forbruk + 1\n", cars.Miles_per_Gallon + 1, "hk")
case("loop", fair + "generate x = 0\nfor v, vekt in age nmarried religious, 1 10 100\nreplace x = x + $vekt * $v if $v > 4\nend\n",
     1.0 * affairs.age.where(affairs.age > 4, 0) + 10 * affairs.nmarried.where(affairs.nmarried > 4, 0) + 100 * affairs.religious.where(affairs.religious > 4, 0))

json.dump(cases, sys.stdout)
