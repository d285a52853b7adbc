//! A small grammar of scripts over the test catalogue: what each statement needs is at hand where it is written, so that a script is in order.

use std::fmt::Write as _;

/// What decides one statement, or a few that belong together: which, and what it is about.
pub type Choice = (u8, u16, u16, u16);

/// What can be done with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A few public numbers.
    Few,
    /// A few public texts.
    Codes,
    /// Numbers with public bounds.
    Number,
    Date,
    /// Made from several owners' values: for tables only.
    Mixed,
}

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    kind: Kind,
    owner: &'static str,
    /// About how many nodes its expression has.
    size: usize,
}

/// A dataset of people.
#[derive(Clone, Debug)]
struct Dataset {
    name: String,
    variables: Vec<Variable>,
    /// The owner who knows by itself who is in it, if one does.
    home: Option<&'static str>,
    edits: usize,
}

/// Owner, register and its date, kind.
const REGISTERS: [(&str, &str, Kind); 14] = [
    ("db", "BEFOLKNING_KJOENN", Kind::Codes),
    ("db", "BEFOLKNING_KOMMNR_FORMELL 2023-01-01", Kind::Codes),
    ("db", "BEFOLKNING_KOMMNR_FORMELL 2020-01-01", Kind::Codes),
    ("db", "INNTEKT_WLONN 2020-06-30", Kind::Number),
    ("db", "INNTEKT_WLONN 2021-12-31", Kind::Number),
    ("db", "INNTEKT_WLONN 2022-01-01", Kind::Number),
    ("db", "SIVSTANDFDT_SIVSTAND 2023-01-01", Kind::Few),
    ("db", "NUDB_BU 2022-10-01", Kind::Codes),
    ("db", "BEFOLKNING_DOEDS_DATO", Kind::Date),
    ("kreft", "KRG_LOKALISASJON", Kind::Codes),
    ("kreft", "KRG_STADIUM", Kind::Few),
    ("kreft", "KRG_DIAGNOSEDATO", Kind::Date),
    ("fhi", "VAKSINE_DOSER 2022-01-01", Kind::Few),
    ("fhi", "VAKSINE_DOSER 2023-06-30", Kind::Few),
];

const STEMS: [&str; 8] = ["lønn", "år", "x", "Ærlig", "v_2_", "brønn", "gruppe", "é"];
/// Nodes of an expression that is built upon.
const SIZE_MAX: usize = 60;
const EDITS_MAX: usize = 6;

struct Writer {
    text: String,
    datasets: Vec<Dataset>,
    active: usize,
    names: usize,
    /// Code lists that are there.
    lists: Vec<String>,
}

/// The script that these choices make.
pub fn written_by(choices: &[Choice]) -> String {
    let mut writer =
        Writer { text: String::new(), datasets: Vec::new(), active: 0, names: 0, lists: Vec::new() };
    writer.line("textblock\nEt skript som er **trukket**: tabulate a b\nendblock");
    writer.line("require no.ssb.fdb:54 as db\nrequire no.krg.kreft:2 as kreft // to eiere\nrequire no.fhi.helse:1 as fhi\n# og en tredje");
    writer.line("let grense = 100 * 1000\nlet del = 2\nlet ord = to_symbol(\"ord\")");
    writer.new_dataset(0);
    // Numbers next to a choice are choices too.
    let low = |of: u16| of & 0x7FFF;
    for (statement, a, b, c) in choices {
        writer.statement((*statement, low(*a), low(*b), low(*c)));
    }
    writer.text
}

impl Writer {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("memory");
    }

    fn fresh(&mut self, of: u16) -> String {
        self.names += 1;
        format!("{}{}", STEMS[of as usize % STEMS.len()], self.names)
    }

    fn dataset(&mut self) -> &mut Dataset {
        &mut self.datasets[self.active]
    }

    /// One of the active dataset's variables of a kind that can be built upon.
    fn one(&self, kinds: &[Kind], at: u16) -> Option<Variable> {
        let fits = |variable: &&Variable| kinds.contains(&variable.kind) && variable.size < SIZE_MAX;
        let all: Vec<&Variable> = self.datasets[self.active].variables.iter().filter(fits).collect();
        (!all.is_empty()).then(|| all[at as usize % all.len()].clone())
    }

    fn add(&mut self, name: String, kind: Kind, owner: &'static str, size: usize) {
        self.dataset().variables.push(Variable { name, kind, owner, size });
    }

    fn import(&mut self, at: u16, stem: u16) {
        let (owner, register, kind) = REGISTERS[at as usize % REGISTERS.len()];
        let name = self.fresh(stem);
        self.line(&format!("import {owner}/{register} as {name}"));
        self.add(name, kind, owner, 1);
    }

    /// A dataset of people, with some variables of several owners.
    fn new_dataset(&mut self, first: u16) {
        let name = self.fresh(first);
        self.line(&format!("create-dataset {name}"));
        let home = Some(REGISTERS[first as usize % REGISTERS.len()].0);
        self.active = self.datasets.len();
        self.datasets.push(Dataset { name, variables: Vec::new(), home, edits: 0 });
        for at in [0, 3, 7, 10, 12] {
            self.import(first + at, at);
        }
    }

    /// A dataset that is made of rows of other units, with numbers of each person.
    fn collapsed(&mut self, owner: &'static str, lines: &[&str], measures: &str, by: &str, at: u16) {
        let name = self.fresh(at);
        let (many, most) = (self.fresh(at), self.fresh(at + 1));
        self.line(&format!("create-dataset {name}"));
        lines.iter().for_each(|line| self.line(line));
        self.line(&measures.replace("MANY", &many).replace("MOST", &most).replace("BY", by));
        self.line(&format!("recode {many} (min/0 = 0) (1 = 1 én) (2/max = 2 'to eller flere')"));
        self.active = self.datasets.len();
        self.datasets.push(Dataset { name, variables: Vec::new(), home: Some(owner), edits: 1 });
        self.add(many, Kind::Few, owner, 6);
        self.add(most, Kind::Few, owner, 4);
    }

    fn edited(&mut self, owners: &[&'static str]) {
        let dataset = self.dataset();
        dataset.edits += 1;
        dataset.home = dataset.home.filter(|home| owners.iter().all(|owner| owner == home));
    }

    /// A condition over a variable of few values.
    fn condition(&self, of: &Variable, at: u16) -> String {
        let Variable { name, kind, .. } = of;
        match (kind, at % 4) {
            (Kind::Codes, 0) => format!("sysmiss({name})"),
            (Kind::Codes, 1) => format!("{name} != '1'"),
            (Kind::Codes, _) => format!("startswith({name}, \"{}\")", at % 7),
            (Kind::Few, 0) => format!("inrange({name}, 1, {})", 1 + at % 3),
            (Kind::Few, 1) => format!("{name} >= $del"),
            (Kind::Few, 2) => format!("inlist({name}, 0, 2)"),
            (Kind::Few, _) => format!("!sysmiss({name})"),
            (Kind::Date, _) => format!("{name} >= date({}, 1, 1)", 1990 + at % 30),
            (_, 0) => format!("{name} > $grense * {}", 1 + at % 9),
            (_, _) => format!("{name} <= {}", 100_000 * u32::from(1 + at % 9)),
        }
    }

    /// Writes a statement, or a few. One for which nothing is at hand becomes a comment, as researchers leave them.
    fn statement(&mut self, (which, a, b, c): Choice) {
        let full = self.datasets[self.active].variables.len() > 40;
        if self.written(if full { which % 12 } else { which % 34 }, a, b, c).is_none() {
            self.line(["// mangler", "# ikke ennå", "", "    // tabulate senere"][a as usize % 4]);
        }
    }

    fn written(&mut self, which: u8, a: u16, b: u16, c: u16) -> Option<()> {
        use Kind::{Codes, Date, Few, Mixed, Number};
        const TABLED: [Kind; 3] = [Few, Codes, Mixed];
        match which {
            0..=3 => {
                let (one, other) = (self.one(&TABLED, a)?, self.one(&TABLED, b)?);
                let shows = ["", ", rowpct", ", freq colpct missing", ", cellpct nolabels"][c as usize % 4];
                match c % 3 {
                    0 => self.line(&format!("tabulate {}{shows}", one.name)),
                    _ if one.kind == Mixed && other.kind == Mixed => {
                        self.line(&format!("tabulate \\ // to linjer\n    {}{shows}", one.name));
                    }
                    _ => self.line(&format!("tabulate {} {}{shows}", one.name, other.name)),
                }
            }
            4 => {
                let (one, number) = (self.one(&[Few, Codes], a)?, self.one(&[Number], b)?);
                let shows = ["", " mean std", " freq sum"][c as usize % 3];
                self.line(&format!("tabulate {}, summarize({}){shows}", one.name, number.name));
            }
            5 => {
                let number = self.one(&[Number, Few], a)?;
                self.line(&format!("summarize {}", number.name));
            }
            6 => {
                let (number, one) = (self.one(&[Number], a)?, self.one(&[Few, Codes], b)?);
                let condition = self.condition(&one, c);
                self.line(&format!("summarize {} if {condition}", number.name));
            }
            7 => {
                let (one, other) = (self.one(&TABLED, a)?, self.one(&[Few, Codes, Number], b)?);
                if one.kind == Mixed {
                    return None;
                }
                let condition = self.condition(&other, c);
                self.line(&format!("tabulate {} if {condition}, freq", one.name));
            }
            8 => {
                let active = a as usize % self.datasets.len();
                self.line(&format!("use {}", self.datasets[active].name));
                self.active = active;
            }
            9 => {
                let name = self.fresh(a);
                self.line(&format!(
                    "define-labels {name} 0 'Null' 1 \"Én\" 2 To 3 'Tre eller flere' 9 Ukjent"
                ));
                self.lists.push(name);
            }
            10 => {
                let list = self.lists.get(a as usize % self.lists.len().max(1))?.clone();
                let one = self.one(&[Few], b)?;
                self.line(&format!("assign-labels {} {list}", one.name));
            }
            11 => self.line(&format!("textblock\n## Avsnitt {a}\n- keep if {b}\nendblock")),
            12 => {
                if self.datasets.len() > 9 {
                    return None;
                }
                self.new_dataset(a);
            }
            13 | 14 => self.import(a, b),
            15 => {
                let number = self.one(&[Number], a)?;
                let name = self.fresh(b);
                let function =
                    ["X / 1000", "abs(X - 5000)", "round(X, 100)", "-X + 1", "rowmax(X, 10)"][c as usize % 5];
                self.line(&format!("generate {name} = {}", function.replace('X', &number.name)));
                self.add(name, Number, number.owner, number.size + 3);
            }
            16 => {
                let (one, other) = (self.one(&[Number], a)?, self.one(&[Number], b)?);
                if one.owner != other.owner {
                    return None;
                }
                let name = self.fresh(c);
                let sum =
                    ["A + B", "A - 2 * B", "rowmean(A, B)", "rowtotal(A, B)", "rowmin(A, B)"][c as usize % 5];
                let sum = sum.replace('A', &one.name).replace('B', &other.name);
                self.line(&format!("generate {name} = {sum}"));
                self.add(name, Number, one.owner, one.size + other.size + 3);
            }
            17 | 18 => {
                let one = self.one(&[Few, Codes, Number, Date], a)?;
                let (name, condition) = (self.fresh(b), self.condition(&one, c));
                self.line(&format!("generate {name} = {condition}"));
                self.add(name, Few, one.owner, 2 * one.size + 3);
            }
            19 => {
                let number = self.one(&[Number], a)?;
                let name = self.fresh(b);
                let cut = 1000 * u32::from(c);
                self.line(&format!("recode {} (min/{cut} = 1 lav) ({}/max = 2 \"høy\") (missing = 9 'vet ikke' missing), generate({name})", number.name, cut + 1));
                self.add(name, Few, number.owner, 4 * number.size + 9);
            }
            20 => {
                let one = self.one(&[Few], a)?;
                if self.dataset().edits >= EDITS_MAX {
                    return None;
                }
                self.line(&format!("recode {} (0 1 = 1) (2/3 = 2) (9 = .)", one.name));
                let variable = self.dataset().variables.iter_mut().find(|of| of.name == one.name)?;
                variable.size = 6 * variable.size + 12;
                self.dataset().edits += 1;
            }
            21 => {
                let (one, other) = (self.one(&[Number], a)?, self.one(&[Few, Codes], b)?);
                if self.dataset().edits >= EDITS_MAX || one.owner != other.owner {
                    return None;
                }
                let condition = self.condition(&other, c);
                let value =
                    [".".to_owned(), "0".to_owned(), format!("{} / 2", one.name)][c as usize % 3].clone();
                self.line(&format!("replace {} = {value} if {condition}", one.name));
                let variable = self.dataset().variables.iter_mut().find(|of| of.name == one.name)?;
                variable.size = 2 * one.size + 2 * other.size + 5;
                self.dataset().edits += 1;
            }
            22 => {
                let (one, other) = (self.one(&[Few, Codes], a)?, self.one(&[Few, Codes], b)?);
                if self.dataset().edits >= EDITS_MAX {
                    return None;
                }
                let (left, right) = (self.condition(&one, c), self.condition(&other, c / 4));
                self.line(&match c % 3 {
                    0 => format!("keep if {left}"),
                    1 => format!("keep if {left} & {right}"),
                    _ => format!("drop if {left} | \\\n    {right}"),
                });
                let owners = [one.owner, other.owner];
                self.edited(&owners[..if c.is_multiple_of(3) { 1 } else { 2 }]);
            }
            23 => {
                let (one, other) = (self.one(&[Few], a)?, self.one(&[Few, Codes], b)?);
                if one.owner == other.owner || one.size + other.size > 20 {
                    return None;
                }
                let name = self.fresh(c);
                let (left, right) = (self.condition(&one, c), self.condition(&other, c / 4));
                self.line(&format!("generate {name} = {left} {} {right}", ["|", "&"][c as usize % 2]));
                self.add(name, Mixed, "several", one.size + other.size);
            }
            24 => {
                let codes = self.one(&[Codes], a)?;
                let name = self.fresh(b);
                let function = ["substr(X, 1, 1)", "upper(X)", "rowconcat(X, '-', 1)", "substr(X, -2, 2)"]
                    [c as usize % 4];
                // Of two, each value with each.
                let size = (codes.size + 1) * (codes.size + 1);
                if function.starts_with("rowconcat") && size > 400 {
                    return None;
                }
                self.line(&format!("generate {name} = {}", function.replace('X', &codes.name)));
                self.add(name, Codes, codes.owner, size);
            }
            25 => {
                let one = self.one(&[Few, Codes, Number, Date], a)?;
                match b % 3 {
                    0 => {
                        let name = self.fresh(c);
                        self.line(&format!("rename {} {name}", one.name));
                        self.dataset().variables.iter_mut().find(|of| of.name == one.name)?.name = name;
                    }
                    1 => {
                        let name = self.fresh(c);
                        self.line(&format!("clone-variables {} -> {name}", one.name));
                        self.add(name, one.kind, one.owner, one.size);
                    }
                    _ if self.dataset().variables.len() > 8 => {
                        self.line(&format!("drop {}", one.name));
                        self.dataset().variables.retain(|of| of.name != one.name);
                    }
                    _ => return None,
                }
            }
            26 => {
                if self.datasets.len() > 9 {
                    return None;
                }
                let name = self.fresh(a);
                let of = self.datasets[self.active].clone();
                let units = b.is_multiple_of(3);
                self.line(&format!("clone-{} {} {name}", if units { "units" } else { "dataset" }, of.name));
                let variables = if units { Vec::new() } else { of.variables };
                self.datasets.push(Dataset { name, variables, home: of.home, edits: of.edits });
            }
            27 => {
                let one = self.one(&[Few, Codes], a)?;
                let target = b as usize % self.datasets.len();
                let there = |of: &&Variable| of.name == one.name;
                // A draw or an edit over several owners is computed anew at each use.
                if target == self.active
                    || self.datasets[target].variables.iter().any(|of| there(&of))
                    || self.dataset().home != Some(one.owner)
                {
                    return None;
                }
                self.line(&format!("merge {} into {}", one.name, self.datasets[target].name));
                self.datasets[target].variables.push(Variable { size: SIZE_MAX - 1, ..one });
            }
            28 => {
                if self.datasets.len() > 9 {
                    return None;
                }
                let lines = [
                    "import kreft/KRG_TILFELLE_LOKALISASJON as sted_t",
                    "import kreft/KRG_TILFELLE_PERSON as person_t",
                ];
                let measures = "collapse (count) sted_t -> MANY \\\n    (max) lunge_t -> MOST, by(BY)";
                let all = [lines[0], lines[1], "generate lunge_t = sted_t == 'C34'"];
                self.collapsed("kreft", &all, measures, "person_t", a);
            }
            29 => {
                if self.datasets.len() > 9 {
                    return None;
                }
                let lines = [
                    "import-event db/SIVSTANDFDT_SIVSTAND 2015-01-01 to 2020-12-31 as siv_t",
                    "generate gift_t = siv_t == 2 // hver periode",
                    "generate lang_t = STOP@siv_t - START@siv_t > 365",
                    "drop if siv_t == 0 & lang_t",
                ];
                let measures = "collapse (count) siv_t -> MANY (max) gift_t -> MOST lang_t, by(BY)";
                self.collapsed("db", &lines, measures, "PERSONID_1", a);
            }
            30 => {
                let names: Vec<String> = (0..3).map(|_| self.fresh(b)).collect();
                self.line(&format!("for år, navn in 2020 : 2022, {}", names.join(" ")));
                self.line("    import db/INNTEKT_WLONN date_fmt($år, 6, 30) as $navn\n    generate $navn ++ \"_\" ++ $år - 2000 = $navn > $grense * $del\nend");
                for (name, year) in names.into_iter().zip(20..) {
                    self.add(format!("{name}_{year}"), Few, "db", 4);
                    self.add(name, Number, "db", 1);
                }
            }
            31 => {
                let list = self.fresh(a);
                let (limit, part) = (1 + a % 900, 1 + b % 3);
                self.line(&format!("let grense = {limit} * 1000\nlet del = {part}\nlet liste = {list}"));
            }
            32 => {
                if self.datasets.len() > 9 {
                    return None;
                }
                let lines = [
                    "import-panel db/INNTEKT_WLONN db/BEFOLKNING_KJOENN 2020-06-30 2021-06-30 2022-06-30 as lønn_t kjønn_t",
                    "generate høy_t = lønn_t > $grense * $del & year(date@panel) > 2020",
                    "replace lønn_t = . if høy_t",
                ];
                let measures = "collapse (count) lønn_t -> MANY (max) høy_t -> MOST, by(BY)";
                self.collapsed("db", &lines, measures, "PERSONID_1", a);
            }
            _ => {
                let one = self.one(&[Number], a)?;
                if self.dataset().home != Some(one.owner) || self.dataset().edits >= EDITS_MAX {
                    return None;
                }
                let name = self.fresh(b);
                match c % 3 {
                    0 => {
                        self.line(&format!("generate {name} = quantile({}, {})", one.name, 2 + c % 4));
                        self.add(name, Few, one.owner, one.size + 5);
                    }
                    1 => {
                        self.line(&format!("sample 0.{} {b}", 1 + a % 9));
                        self.dataset().edits += 1;
                    }
                    _ => {
                        let key = self.one(&[Few, Codes], a)?;
                        if key.owner != one.owner {
                            return None;
                        }
                        self.line(&format!("aggregate (mean) {} -> {name}, by({})", one.name, key.name));
                        let over = self.fresh(b);
                        self.line(&format!("generate {over} = {} > {name}", one.name));
                        self.add(over, Few, one.owner, one.size + 9);
                    }
                }
            }
        }
        Some(())
    }
}
