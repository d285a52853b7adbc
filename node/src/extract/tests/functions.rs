//! Every function against a program in Python, the examples of `docs/FUNCTIONS.md`, and bounds of what functions can yield.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// What an argument may be.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// Any number.
    Number,
    /// A number of days since 1970-01-01.
    Days,
    /// A part of a date.
    Part,
    /// A whole number that is mostly small.
    Count,
    /// A point of a distribution.
    Point,
    /// A probability, or a point between 0 and 1.
    Unit,
    /// Degrees of freedom, a shape or a deviation.
    Degrees,
    /// A non-centrality that is not negative.
    Lambda,
    /// A non-centrality of either sign.
    Delta,
    Text,
    Position,
}

/// Seeded randomness: SplitMix64 (G. Steele and others, OOPSLA 2014).
struct Dice(u64);

impl Dice {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of any size between these.
    fn of_any_size(&mut self, low: f64, high: f64) -> f64 {
        self.within(low.ln(), high.ln()).exp()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[(self.draw() % of.len() as u64) as usize]
    }

    fn number(&mut self, of: Of) -> f64 {
        let border = self.draw().is_multiple_of(4);
        let sign = self.one(&[-1.0, 1.0]);
        match of {
            Of::Number if border => self.one(&[
                0.0,
                1.0,
                -1.0,
                0.5,
                -0.5,
                2.5,
                -2.5,
                0.49999999999999994,
                1e300,
                -1e300,
                1e-300,
                f64::MAX,
            ]),
            Of::Number if self.draw().is_multiple_of(2) => self.within(-1.2, 1.2),
            Of::Number => sign * self.of_any_size(1e-6, 1e9),
            // The first and last days of the calendar, days beyond it, leap days, ends of years.
            Of::Days if border => self.one(&[
                -719_162.0,
                2_932_896.0,
                -719_163.0,
                2_932_897.0,
                1e12,
                -1e300,
                0.0,
                -0.5,
                11_016.0,
                16_800.0,
                16_801.0,
                -25_509.0,
                12_784.0,
                14_243.0,
            ]),
            Of::Days if self.draw().is_multiple_of(2) => self.within(-719_200.0, 2_932_950.0).floor(),
            Of::Days => self.within(-40_000.0, 40_000.0),
            Of::Part if border => self.one(&[0.0, -1.0, 2.5, 1e300, 9999.0, 10_000.0, 29.0, 12.0, 13.0]),
            Of::Part => self.one(&[1.0, 2.0, 12.0, 28.0, 29.0, 30.0, 31.0, 1900.0, 2000.0, 2023.0, 2024.0]),
            Of::Count if border => self.one(&[0.0, -1.0, 2.5, 1.0, 170.0, 171.0, 1e6, 1e300]),
            Of::Count => self.within(0.0, 70.0).floor(),
            Of::Point if border => self.one(&[0.0, -1.0, 1.0, 2.0, -2.5]),
            Of::Point if self.draw().is_multiple_of(3) => -self.of_any_size(1e-3, 50.0),
            Of::Point if self.draw().is_multiple_of(2) => self.of_any_size(1e-9, 1e4),
            Of::Point => self.of_any_size(0.05, 20.0),
            Of::Unit if border => self.one(&[0.0, 1.0, 0.5, -0.1, 1.1]),
            Of::Unit if self.draw().is_multiple_of(2) => self.of_any_size(1e-9, 0.5),
            Of::Unit => self.within(0.001, 0.999),
            Of::Degrees if border => self.one(&[1.0, 2.0, 3.0, 4.0, 0.0, -1.0]),
            Of::Degrees if self.draw().is_multiple_of(2) => self.of_any_size(10.0, 2000.0),
            Of::Degrees => self.of_any_size(0.3, 30.0),
            Of::Lambda if border => self.one(&[0.0, 1.0, -1.0, 1e5, 10_000.0]),
            Of::Lambda => self.of_any_size(0.01, 800.0),
            Of::Delta if border => self.one(&[0.0, 1.0, -1.0, 1e5, -1e5]),
            Of::Delta => sign * self.of_any_size(0.01, 40.0),
            Of::Position => self.one(&[0.0, 1.0, -1.0, 2.0, 3.5, -3.0, 6.0, 7.0, -7.0, 1e300, -1e300]),
            Of::Text => f64::NAN,
        }
    }

    fn argument(&mut self, of: Of) -> Plain {
        match of {
            _ if self.draw().is_multiple_of(12) => Plain::Missing,
            Of::Text => {
                let texts = [
                    "",
                    "a",
                    "blåbær",
                    "BLÅBÆR",
                    " ÆØÅ\t",
                    "\u{a0}x ",
                    "0301",
                    "é",
                    "straße",
                    "日本",
                    "blå",
                    "bær",
                ];
                Plain::Text(self.one(&texts).into())
            }
            of => Plain::Number(self.number(of) + 0.0),
        }
    }
}

/// How far a function may be from the Python program's: relative to the value, and beside that in all.
const EXACT: (f64, f64) = (0.0, 0.0);
/// Of library functions of the platform.
const NEARLY: (f64, f64) = (1e-14, 0.0);
const SUMMED: (f64, f64) = (1e-12, 1e-300);
const DISTRIBUTION: (f64, f64) = (1e-9, 1e-280);
/// About zero, where an inverse has the digits that its probability leaves.
const INVERSE: (f64, f64) = (1e-9, 1e-11);

/// A function's name, the arguments that it takes in each of its forms, and how far it may be from the Python program's.
type Tried = (&'static str, Function, Vec<&'static [Of]>, (f64, f64));

/// Every function. The arguments of row functions stand for any number of such.
fn all() -> Vec<Tried> {
    use Function as F;
    use Of::*;
    let one: fn(&'static [Of]) -> Vec<&'static [Of]> = |of| vec![of];
    let with = |of: &'static [Of], less: usize| vec![of, &of[..of.len() - less]];
    vec![
        ("abs", F::Abs, one(&[Number]), EXACT),
        ("acos", F::Acos, one(&[Number]), NEARLY),
        ("asin", F::Asin, one(&[Number]), NEARLY),
        ("atan", F::Atan, one(&[Number]), NEARLY),
        ("ceil", F::Ceil, one(&[Number]), EXACT),
        ("comb", F::Comb, one(&[Count, Count]), SUMMED),
        ("cos", F::Cos, one(&[Number]), NEARLY),
        ("exp", F::Exp, one(&[Number]), NEARLY),
        ("floor", F::Floor, one(&[Number]), EXACT),
        ("int", F::Int, one(&[Number]), EXACT),
        ("ln", F::Ln, one(&[Number]), NEARLY),
        ("lnfactorial", F::Lnfactorial, one(&[Count]), (1e-13, 0.0)),
        ("log10", F::Log10, one(&[Number]), NEARLY),
        ("logit", F::Logit, one(&[Unit]), NEARLY),
        ("pi", F::Pi, one(&[]), EXACT),
        ("round", F::Round, with(&[Number, Number], 1), EXACT),
        ("sin", F::Sin, one(&[Number]), NEARLY),
        ("sqrt", F::Sqrt, one(&[Number]), EXACT),
        ("tan", F::Tan, one(&[Number]), NEARLY),
        ("date", F::Date, one(&[Part, Part, Part]), EXACT),
        ("day", F::Day, one(&[Days]), EXACT),
        ("dow", F::Dow, one(&[Days]), EXACT),
        ("doy", F::Doy, one(&[Days]), EXACT),
        ("halfyear", F::Halfyear, one(&[Days]), EXACT),
        ("isoformatdate", F::Isoformatdate, one(&[Days]), EXACT),
        ("month", F::Month, one(&[Days]), EXACT),
        ("quarter", F::Quarter, one(&[Days]), EXACT),
        ("week", F::Week, one(&[Days]), EXACT),
        ("year", F::Year, one(&[Days]), EXACT),
        ("endswith", F::EndsWith, one(&[Text, Text]), EXACT),
        ("length", F::Length, one(&[Text]), EXACT),
        ("lower", F::Lower, one(&[Text]), EXACT),
        ("ltrim", F::Ltrim, one(&[Text]), EXACT),
        ("rtrim", F::Rtrim, one(&[Text]), EXACT),
        ("startswith", F::StartsWith, one(&[Text, Text]), EXACT),
        ("string", F::String, vec![&[Number], &[Text]], EXACT),
        ("substr", F::Substr, with(&[Text, Position, Position], 1), EXACT),
        ("trim", F::Trim, one(&[Text]), EXACT),
        ("upper", F::Upper, one(&[Text]), EXACT),
        ("rowconcat", F::RowConcat, vec![&[Text, Number], &[Count, Text, Text], &[Text]], EXACT),
        ("rowmax", F::RowMax, with(&[Number, Number, Number], 2), EXACT),
        ("rowmean", F::RowMean, with(&[Number, Number, Number], 2), SUMMED),
        ("rowmedian", F::RowMedian, with(&[Number, Number, Number, Number], 1), EXACT),
        ("rowmin", F::RowMin, with(&[Number, Number, Number], 2), EXACT),
        ("rowmissing", F::RowMissing, vec![&[Number, Text, Text], &[Number]], EXACT),
        ("rowstd", F::RowStd, with(&[Number, Number, Number, Number], 2), SUMMED),
        ("rowtotal", F::RowTotal, with(&[Number, Number, Number], 2), SUMMED),
        ("rowvalid", F::RowValid, vec![&[Number, Text, Text], &[Number]], EXACT),
        ("sysmiss", F::Sysmiss, vec![&[Number], &[Text]], EXACT),
        ("normal", F::Normal, one(&[Point]), DISTRIBUTION),
        ("normalden", F::Normalden, vec![&[Point], &[Point, Point], &[Point, Point, Degrees]], DISTRIBUTION),
        ("binomial", F::Binomial, one(&[Count, Count, Unit]), DISTRIBUTION),
        ("binomialp", F::Binomialp, one(&[Count, Count, Unit]), DISTRIBUTION),
        ("binomialtail", F::Binomialtail, one(&[Count, Count, Unit]), DISTRIBUTION),
        ("chi2", F::Chi2, one(&[Point, Degrees]), DISTRIBUTION),
        ("chi2den", F::Chi2den, one(&[Point, Degrees]), DISTRIBUTION),
        ("chi2tail", F::Chi2tail, one(&[Point, Degrees]), DISTRIBUTION),
        ("invchi2", F::Invchi2, one(&[Unit, Degrees]), DISTRIBUTION),
        ("invchi2tail", F::Invchi2tail, one(&[Unit, Degrees]), DISTRIBUTION),
        ("nchi2", F::Nchi2, one(&[Point, Degrees, Lambda]), DISTRIBUTION),
        ("nchi2den", F::Nchi2den, one(&[Point, Degrees, Lambda]), DISTRIBUTION),
        ("nchi2tail", F::Nchi2tail, one(&[Point, Degrees, Lambda]), DISTRIBUTION),
        ("F", F::F, with(&[Point, Degrees, Degrees, Lambda], 1), DISTRIBUTION),
        ("Fden", F::Fden, one(&[Point, Degrees, Degrees]), DISTRIBUTION),
        ("Ftail", F::Ftail, with(&[Point, Degrees, Degrees, Lambda], 1), DISTRIBUTION),
        ("invF", F::InvF, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("invFtail", F::InvFtail, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("invnFtail", F::InvnFtail, one(&[Unit, Degrees, Degrees, Lambda]), DISTRIBUTION),
        ("nF", F::NF, one(&[Point, Degrees, Degrees, Lambda]), DISTRIBUTION),
        ("nFden", F::NFden, one(&[Point, Degrees, Degrees, Lambda]), DISTRIBUTION),
        ("nFtail", F::NFtail, one(&[Point, Degrees, Degrees, Lambda]), DISTRIBUTION),
        ("ibeta", F::Ibeta, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("ibetatail", F::Ibetatail, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("betaden", F::Betaden, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("invibeta", F::Invibeta, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("invibetatail", F::Invibetatail, one(&[Unit, Degrees, Degrees]), DISTRIBUTION),
        ("t", F::T, one(&[Point, Degrees]), DISTRIBUTION),
        ("tden", F::Tden, one(&[Point, Degrees]), DISTRIBUTION),
        ("ttail", F::Ttail, one(&[Point, Degrees]), DISTRIBUTION),
        ("invt", F::Invt, one(&[Unit, Degrees]), INVERSE),
        ("invttail", F::Invttail, one(&[Unit, Degrees]), INVERSE),
        ("nt", F::Nt, one(&[Point, Degrees, Delta]), DISTRIBUTION),
        ("ntden", F::Ntden, with(&[Point, Degrees, Delta], 1), DISTRIBUTION),
        ("nttail", F::Nttail, one(&[Point, Degrees, Delta]), DISTRIBUTION),
        ("invnttail", F::Invnttail, one(&[Unit, Degrees, Delta]), INVERSE),
    ]
}

/// The product's results for rows of arguments of these kinds.
fn computed(function: Function, kinds: &[Of], rows: &[Vec<Plain>]) -> Vec<Plain> {
    let value_type = |of: &Of| if matches!(of, Of::Text) { ValueType::Text } else { ValueType::Number };
    let types: Vec<_> = kinds.iter().map(value_type).collect();
    let sources = (0..kinds.len()).map(Expression::Source).collect();
    evaluate(&Expression::Call(function, sources), &types, rows)
}

#[test]
#[ignore = "needs Python with scipy and pandas"]
fn every_function_is_what_a_program_in_python_says() {
    let mut dice = Dice(20_240_229);
    let (mut questions, mut ours) = (Vec::new(), Vec::new());
    for (name, function, forms, tolerance) in all() {
        for kinds in forms {
            let rows: Vec<Vec<Plain>> =
                (0..120).map(|_| kinds.iter().map(|of| dice.argument(*of)).collect()).collect();
            let found = computed(function, kinds, &rows);
            for (row, found) in rows.into_iter().zip(found) {
                let plain = |value: &Plain| match value {
                    Plain::Missing => serde_json::Value::Null,
                    Plain::Number(number) => json!(number),
                    Plain::Text(text) => json!(text),
                };
                questions.push(json!([name, row.iter().map(plain).collect::<Vec<_>>()]));
                ours.push((found, tolerance));
            }
        }
    }
    let driver = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/functions.py");
    let mut python = Command::new("python");
    let mut python = python.arg(driver).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    let mut input = python.stdin.take().expect("piped");
    input.write_all(json!(questions).to_string().as_bytes()).expect("written");
    drop(input);
    let answered = python.wait_with_output().expect("it ends");
    assert!(answered.status.success(), "the program failed");
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&answered.stdout).expect("JSON");
    assert_eq!(answers.len(), ours.len());
    let agree = |found: &Plain, answer: &serde_json::Value, (relative, absolute): (f64, f64)| match found {
        Plain::Missing => answer.is_null(),
        Plain::Text(text) => answer.as_str() == Some(text),
        // As a text, since the reader of JSON rounds numbers.
        Plain::Number(number) => answer[0].as_str().is_some_and(|answer| {
            let answer: f64 = answer.parse().expect("a number");
            (number - answer).abs() <= relative * answer.abs() + absolute
        }),
    };
    let wrong: Vec<String> = (questions.iter().zip(&ours).zip(&answers))
        .filter(|((_, (found, tolerance)), answer)| !agree(found, answer, *tolerance))
        .map(|((question, (found, _)), answer)| format!("{question} is {found:?} here, {answer} there"))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), ours.len(), wrong.join("\n"));
    assert!(ours.iter().filter(|(found, _)| *found != Plain::Missing).count() * 2 > ours.len());
}

#[test]
fn values_lie_within_the_bounds_that_the_model_gives() {
    let mut dice = Dice(7);
    let mut bounded = 0;
    for (name, function, forms, _) in all() {
        for kinds in forms.into_iter().filter(|kinds| !kinds.iter().any(|of| matches!(of, Of::Text))) {
            for _ in 0..12 {
                let ends: Vec<(f64, f64)> = kinds
                    .iter()
                    .map(|of| {
                        let (x, y) = (dice.number(*of), dice.number(*of));
                        (x.min(y) + 0.0, x.max(y) + 0.0)
                    })
                    .collect();
                let whole = |(low, high): &(f64, f64)| low.fract() == 0.0 && high.fract() == 0.0;
                let sources: Vec<_> =
                    ends.iter().map(|ends| Interval::new(ends.0, ends.1, whole(ends))).collect();
                let call = Expression::Call(function, (0..kinds.len()).map(Expression::Source).collect());
                let Some(bounds) = Interval::of(&call, &sources) else { continue };
                bounded += 1;
                let mut value = |ends: &(f64, f64)| {
                    let value = match dice.draw() % 8 {
                        0 => return Plain::Missing,
                        1 => ends.0,
                        2 => ends.1,
                        _ => dice.within(ends.0, ends.1).clamp(ends.0, ends.1),
                    };
                    Plain::Number(if whole(ends) { value.round() + 0.0 } else { value + 0.0 })
                };
                let rows: Vec<Vec<Plain>> = (0..24).map(|_| ends.iter().map(&mut value).collect()).collect();
                for (row, found) in rows.iter().zip(computed(function, kinds, &rows)) {
                    let Plain::Number(found) = found else { continue };
                    // Sums of numbers that are no binary fractions are rounded.
                    let slack = 1e-12 * (bounds.high - bounds.low).abs().max(found.abs());
                    let within = bounds.low - slack <= found && found <= bounds.high + slack;
                    assert!(
                        within && (!bounds.whole || found.fract() == 0.0),
                        "{name} {row:?}: {found}, {bounds:?}"
                    );
                }
            }
        }
    }
    assert!(bounded > 300, "{bounded}");
}

/// The examples of the reference page, as rows of its tables: function, example and result.
fn examples(page: &str) -> Vec<(String, String, String)> {
    let code = |cell: &str| cell.trim().strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [function, _, example, result] = cells[..] else { return None };
        Some((code(function)?, code(example)?, code(result)?))
    };
    page.lines().filter_map(row).collect()
}

/// A condition that holds where the example has the result, to the digits shown.
fn condition(example: &str, result: &str) -> String {
    if result == "." {
        return format!("sysmiss({example})");
    }
    let Ok(number) = result.parse::<f64>() else { return format!("{example} == {result}") };
    match result.split_once('.') {
        None => format!("{example} == {result}"),
        Some((_, decimals)) => {
            let half = 0.5 * 10_f64.powi(-(decimals.len() as i32));
            format!("inrange({example}, {:.15}, {:.15})", number - half, number + half)
        }
    }
}

#[test]
fn every_example_of_the_reference_page_gives_what_it_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FUNCTIONS.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let variables =
        page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("variables");
    let examples = examples(&page);
    let described: Vec<&str> =
        examples.iter().filter_map(|(function, ..)| function.split('(').next()).collect();
    for (name, ..) in all() {
        assert!(described.contains(&name), "{name} is not on the page");
    }
    assert_eq!(
        described.len(),
        all().len() + ["inlist", "inrange", "label_to_code", "inlabels", "labelcontains"].len()
    );

    let mut world = World::new();
    world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
    world.import("1.0.0").expect("imported");
    let catalogue = kobling_model::catalogue::Catalogue { datastores: world.store.catalogue() };
    let start = format!("require no.test.db:1 as db\ncreate-dataset d\nimport db/X\n{variables}");
    for (function, example, result) in examples {
        let script = format!("{start}generate en = 1\ntabulate en if {}\n", condition(&example, &result));
        let plan = kobling_script::plan(&script, &catalogue);
        let plan = plan.unwrap_or_else(|diagnostics| panic!("{function}: {diagnostics:?}"));
        let left = &plan.questions.last().expect("a table").left;
        let holds = |filter| evaluate(filter, &[ValueType::Number], &[vec![Plain::Number(1.0)]]);
        let holds = left.filters.iter().all(|filter| holds(filter) == [Plain::Number(1.0)]);
        // What the checker has found true for everybody is no filter any more.
        assert!(holds && left.filters.len() <= 1, "{example} is not {result}");
    }
}

#[test]
fn no_argument_takes_long() {
    let extreme = [
        0.0,
        1e-300,
        1e-9,
        0.5,
        1.0 - 1e-16,
        1.0,
        3.0,
        999.0,
        9_999.0,
        1e6,
        1e15,
        1e300,
        -1e-9,
        -999.0,
        -1e300,
    ];
    for (name, function, forms, _) in all() {
        let kinds = forms[0];
        if kinds.is_empty() || kinds.iter().any(|of| matches!(of, Of::Text)) {
            continue;
        }
        let mut dice = Dice(3);
        let rows: Vec<Vec<Plain>> =
            (0..300).map(|_| kinds.iter().map(|_| Plain::Number(dice.one(&extreme))).collect()).collect();
        let begun = Instant::now();
        computed(function, kinds, &rows);
        // Some milliseconds a row at the very worst; the machine may have other things to do.
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
    }
}
