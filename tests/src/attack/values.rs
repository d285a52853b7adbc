//! Attack 8: a walk up the tail of a variable.
//!
//! The language has no percentiles; what reaches the tail are sums, means and deviations. The attacker asks for those of a group in which it
//! knows everybody's wage but one person's, and wants to know whether that is one million or five. Tries to break: rule 2.
//!
//! Bound: nothing beyond the bounds of the register is told, so the guess is right in half of the cases (rule 2's own).

use kobling_model::plan::Show;
use kobling_model::value::Range;

use super::Measure;
use super::clear::{Clear, IMPORTS, Protection};
use super::lab::{Lab, fresh_keys};
use super::rate::{Bound, Rate};

/// 8.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let rate = outlier(lab, &Protection::published(), lab.of(1000, 10_000));
    vec![
        Measure::new("a wage of 1 or of 5 million", rate, Bound::AtMost(0.5))
            .noted("sum, mean and deviation of its group"),
    ]
}

/// A wage beyond the 99th percentile, and one far beyond.
const WAGES: [f64; 2] = [1e6, 5e6];

/// How often the guess is right which of two wages, both beyond the 99th percentile, somebody has, in a group of three hundred.
pub fn outlier(lab: &Lab, protection: &Protection, trials: u64) -> Rate {
    let mut dice = lab.dice("8");
    let mut others = 0.0;
    let mut registers = |wage: f64| {
        let registers = Clear::of(|owner| {
            let group: Vec<bool> = owner.dataset("GRUPPE").rows.iter().map(|row| row[1] == "A").collect();
            let wages = owner.dataset("LONN").rows.iter_mut().zip(group).filter(|(_, is_a)| *is_a);
            let mut wages: Vec<&mut String> = wages.map(|(row, _)| &mut row[1]).collect();
            others = wages.iter().skip(1).map(|wage| wage.parse::<f64>().expect("a number")).sum();
            *wages[0] = wage.to_string();
        });
        // Where values are not bounded, the range that is published must reach as far as they do.
        match protection.winsorises() {
            true => registers,
            false => registers.publishing("LONN", Range { low: 0.0, high: WAGES[1], centre: 500_000.0 }),
        }
    };
    let registers = WAGES.map(&mut registers);
    let script = format!("{IMPORTS}tabulate g, summarize(l) sum mean std\n");
    lab.rate(trials, || {
        let (keys, is_far) = (fresh_keys(&mut dice), dice.percent(50));
        let tables = protection.answers(&registers[usize::from(is_far)], &keys, &script).tables;
        let sum = tables.first().and_then(|table| table.summary.as_ref()?.shown(Show::Sum, 0));
        // Noise is as wide as the bounds: a sum this far off is that of wide ones, and of the larger wage.
        let guess = sum.is_some_and(|sum| (sum - others - WAGES[0]).abs() > 5e6);
        guess == is_far
    })
}
