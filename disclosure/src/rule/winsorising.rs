//! Rule 2: numbers are winsorised before they enter a shown statistic.
//!
//! - Number: the lowest 1 % and the highest 1 % of a register variable. No setting: bounds that one owner alone moved would give the
//!   same column two noises, and the researcher could subtract one from the other.
//! - Judged: never about a chosen group. The bounds are those of all rows of the variable, fixed at import; columns made from it carry them
//!   by interval arithmetic. So they say nothing about whom somebody selects.
//! - Effect: a value outside the bounds is brought to the nearer one, silently; results say that it is done. Models are fitted on values
//!   as they are, since a coefficient of clipped values is another one; there rule 9 caps the weight of a unit.
//! - Carried out: `node/src/register/winsorise.rs` (bounds, at import), `model/src/interval.rs` (bounds of made columns), `model/src/value.rs`
//!   (codes of values within them).
//!
//! Why 1 %: it is what microdata.no states of its descriptive statistics ("Winsorization change", 2021). Of 1000 units, the smallest population,
//! the ten largest share one value then, so no maximum is one person's.
//! Source of the method: W. J. Dixon, "Simplified estimation from censored normal samples", Annals of Mathematical Statistics 31, 1960.

/// Share of the values that is brought to the bound at each end. Whole percent.
pub const PERCENT_AT_EACH_END: u64 = 1;

/// Ranks, from 0, of the lower and of the upper bound among `count` values in ascending order; none without values.
///
/// Rounded outwards: never more than the share is brought in.
pub fn ranks(count: u64) -> Option<[u64; 2]> {
    let last = count.checked_sub(1)?;
    let low = u128::from(last) * u128::from(PERCENT_AT_EACH_END) / 100;
    // As many places from the upper end: ⌈99 %⌉ of the places.
    Some([low as u64, last - low as u64])
}

#[cfg(test)]
mod tests {
    use kobling_model::applied::Applied;

    use super::*;

    #[test]
    fn it_is_one_percent_at_each_end_and_that_is_what_results_say() {
        assert_eq!(PERCENT_AT_EACH_END, 1);
        assert_eq!(u64::from(Applied::WINSORISED_PERCENT), PERCENT_AT_EACH_END);
        // Of a hundred and one values one at each end is brought in, of a thousand and one ten.
        assert_eq!([101, 1001].map(ranks), [Some([1, 99]), Some([10, 990])]);
    }

    #[test]
    fn bounds_are_the_first_and_the_ninety_ninth_percentile_rounded_outwards() {
        assert_eq!(ranks(0), None);
        assert_eq!(ranks(1), Some([0, 0]));
        assert_eq!(ranks(101), Some([1, 99]));
        assert_eq!(ranks(1001), Some([10, 990]));
        for count in (1..5000).chain([u64::MAX]) {
            let last = u128::from(count - 1);
            let high = (last * 99).div_ceil(100);
            assert_eq!(ranks(count), Some([(last / 100) as u64, high as u64]));
        }
    }

    #[test]
    fn in_the_smallest_population_ten_units_share_the_largest_value() {
        let [low, high] = ranks(1001).expect("values");
        assert_eq!((low, 1000 - high), (10, 10));
    }
}
