//! Leaks, put into the views of honest attempts by whoever knows their seeds: each must fail, and by what is said.

use super::cases::{self, BLOCK_ROWS, CASES, Input, KEYS, ROWS, TWO_OWNERS, Thresholds, add};
use super::statistics::{Findings, Statistic};
use super::view::View;
use crate::dcf::{CIPHERS, Domain, Generator};
use crate::ring::Word;
use crate::testing::Dice;

use Statistic::{Attempts, Bits, Bytes, Columns, Messages, Neighbours, Repeats, Windows};

/// The number of the seeds of all attempts that leak.
const NUMBER: u64 = 7_000;
/// What left sends in the product of two owners, and right, and the dealer at the end.
const LEFT: &str = "→ right q1/product/left";
const RIGHT: &str = "→ left q1/product/right";
const KEY_SUMS: &str = "→ right q1/product/dealer/keys";
/// What right makes of the latter.
const PREDICTION: &str = "right's prediction of the key sums";

fn honest(case: &str, input: Input) -> View {
    let case = CASES.iter().find(|other| other.name == case).expect("a case");
    (case.run)(input, NUMBER)
}

fn two_owners(input: Input) -> View {
    honest("product of two owners", input)
}

/// Masks of the attempt.
fn masks<W: Word>(pair: [&str; 2], name: &str, stream: [&str; 2], start: usize, count: usize) -> Vec<W> {
    cases::masks(NUMBER, pair, name, stream, start, count)
}

/// U of a product, from a position on.
fn left_masks(start: usize, count: usize) -> Vec<u16> {
    masks(["left", "dealer"], "q1/product", ["left", "mask"], start, count)
}

fn right_masks(start: usize, count: usize) -> Vec<u16> {
    masks(["right", "dealer"], "q1/product", ["right", "mask"], start, count)
}

/// Left's columns.
fn width(view: &View) -> usize {
    view.piece(LEFT).columns
}

/// Puts other masks on a block of left's: `change` gets the columns in the clear.
fn mask_anew(view: &mut View, block: usize, change: impl FnOnce(&mut [u16])) {
    let start = block * BLOCK_ROWS * width(view);
    view.piece_mut(LEFT).alter::<u16>(block, |elements| {
        let masks = left_masks(start, elements.len());
        add(elements, &masks);
        change(elements);
    });
}

fn subtract(elements: &mut [u16], others: &[u16]) {
    elements.iter_mut().zip(others).for_each(|(element, other)| *element = element.wrapping_sub(*other));
}

/// What rejects, and what of.
struct Rejected(Findings);

impl Rejected {
    fn of(views: &[View]) -> Self {
        let mut findings = Findings::default();
        findings.judge_case("a leak", views);
        Self(findings)
    }

    /// Whether a statistic rejects something of which the name has a part.
    fn by(&self, statistic: Statistic, part: &str) -> bool {
        let mut rejected = self.0.rejected.iter();
        rejected.any(|finding| finding.statistic == statistic && finding.what.contains(part))
    }

    fn any_of(&self, part: &str) -> bool {
        self.0.rejected.iter().any(|finding| finding.what.contains(part))
    }

    fn nothing(&self) -> bool {
        self.0.rejected.is_empty()
    }
}

#[test]
fn an_attempt_that_leaks_nothing_passes() {
    for input in Input::ALL {
        assert!(Rejected::of(&[two_owners(input)]).nothing());
    }
}

#[test]
fn a_block_that_is_not_masked_fails_by_its_bytes() {
    for input in Input::ALL {
        let mut view = two_owners(input);
        mask_anew(&mut view, 2, |_| ());
        assert!(Rejected::of(&[view]).by(Bytes, &format!("{LEFT}, part 2, attempt")));
    }
}

#[test]
fn a_column_of_a_block_that_is_not_masked_fails_by_its_bytes() {
    let mut view = two_owners(Input::Random);
    let start = 2 * BLOCK_ROWS * width(&view);
    let bare = 5 * BLOCK_ROWS..6 * BLOCK_ROWS;
    mask_anew(&mut view, 2, |elements| {
        let mut masks = left_masks(start, elements.len());
        masks[bare].fill(0);
        subtract(elements, &masks);
    });
    assert!(Rejected::of(&[view]).by(Bytes, &format!("{LEFT}, part 2, column 5")));
}

#[test]
fn masks_of_fifteen_bits_fail_by_the_sixteenth() {
    for input in Input::ALL {
        let mut view = two_owners(input);
        let width = width(&view);
        for block in 0..view.piece(LEFT).parts.len() {
            mask_anew(&mut view, block, |elements| {
                let short = left_masks(block * BLOCK_ROWS * width, elements.len()).into_iter();
                subtract(elements, &short.map(|mask| mask & 0x7fff).collect::<Vec<_>>());
            });
        }
        assert!(Rejected::of(&[view]).by(Bits, &format!("{LEFT}, bit 15")));
    }
}

#[test]
fn a_second_block_under_the_masks_of_the_first_fails_by_their_difference() {
    for input in Input::ALL {
        let mut view = two_owners(input);
        mask_anew(&mut view, 1, |elements| subtract(elements, &left_masks(0, elements.len())));
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Messages, &format!("{LEFT}, part 0 less part 1")));
        assert!(rejected.by(Windows, ""));
        assert!(!rejected.by(Bytes, ""), "each block by itself is uniform");
    }
}

#[test]
fn one_stream_for_two_sets_of_columns_fails_by_the_differences_of_columns() {
    // Sums of values under the masks of counts, at the same rows.
    let (categories, _) = TWO_OWNERS[0];
    for input in Input::ALL {
        let mut view = two_owners(input);
        let width = width(&view);
        for block in 0..view.piece(LEFT).parts.len() {
            let rows = view.piece(LEFT).parts[block].rows;
            mask_anew(&mut view, block, |elements| {
                let mut masks = left_masks(block * BLOCK_ROWS * width, elements.len());
                masks.copy_within(..categories * rows, 4 * categories * rows);
                subtract(elements, &masks);
            });
        }
        let rejected = Rejected::of(&[view]);
        let same = format!("{LEFT}, column 0 less column {}", 4 * categories);
        assert!(rejected.by(Columns, &same));
        assert!(!rejected.by(Columns, &format!("{LEFT}, column 0 less column {},", 4 * categories + 1)));
        assert!(!rejected.by(Bytes, ""), "each column by itself is uniform");
    }
}

#[test]
fn one_stream_for_both_workers_fails_by_the_difference_of_their_messages() {
    for input in Input::ALL {
        let mut view = two_owners(input);
        let count = view.piece(LEFT).elements::<u16>(0).len();
        let theirs = right_masks(0, count);
        mask_anew(&mut view, 0, |elements| subtract(elements, &theirs));
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Messages, &format!("{RIGHT} less left {LEFT}")));
        assert!(!rejected.by(Bytes, ""), "each message by itself is uniform");
    }
}

#[test]
fn a_retry_with_another_filter_under_the_same_seeds_fails_by_the_difference_of_attempts() {
    let rejected = Rejected::of(&[Input::Random, Input::Nothing].map(two_owners));
    assert!(rejected.by(Attempts, LEFT) && rejected.by(Attempts, RIGHT));
    assert!(rejected.by(Windows, ""));
    assert!(!rejected.by(Bytes, ""), "each attempt by itself is uniform");
}

#[test]
fn masks_by_category_in_place_of_row_fail_by_repeats() {
    let mut view = two_owners(Input::Random);
    let world = cases::world(Input::Random, &TWO_OWNERS, ROWS, BLOCK_ROWS);
    let (width, categories) = (width(&view), &world.owners[0].categories);
    for block in 0..view.piece(LEFT).parts.len() {
        let rows = view.piece(LEFT).parts[block].rows;
        // A row of masks for each category, and one for none.
        let by_category = left_masks(0, (TWO_OWNERS[0].0 + 1) * width);
        mask_anew(&mut view, block, |elements| {
            for (at, element) in elements.iter_mut().enumerate() {
                let (column, row) = (at / rows, block * BLOCK_ROWS + at % rows);
                let category = (categories[row] as usize).min(TWO_OWNERS[0].0);
                *element = element.wrapping_sub(by_category[category * width + column]);
            }
        });
    }
    assert!(Rejected::of(&[view]).by(Repeats, &format!("{LEFT}, attempt")));
}

#[test]
fn rows_in_ascending_order_fail_by_their_neighbours() {
    for input in Input::ALL {
        let mut view = two_owners(input);
        for block in 0..view.piece(LEFT).parts.len() {
            let rows = view.piece(LEFT).parts[block].rows;
            let sort =
                |elements: &mut [u16]| elements.chunks_exact_mut(rows).for_each(<[u16]>::sort_unstable);
            view.piece_mut(LEFT).alter(block, sort);
        }
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Neighbours, &format!("{LEFT}, down")));
        assert!(!rejected.by(Bytes, "") && !rejected.by(Bits, ""), "an order changes no frequency");
    }
}

#[test]
fn a_correction_without_r_fails_by_what_right_predicts_of_it_and_by_nothing_else() {
    for input in [Input::Nothing, Input::Largest] {
        let mut view = two_owners(input);
        view.piece_mut(KEY_SUMS).alter::<u16>(0, |sums| {
            let r = masks(["left", "dealer"], "q1/product", ["keys", "result"], 0, sums.len());
            add(sums, &r);
        });
        let predicted = cases::predicted_keys(&view, NUMBER);
        view.piece_mut(PREDICTION).alter(0, |sums: &mut [u16]| sums.copy_from_slice(&predicted));
        // With (X − U)ᵀV all is XᵀV, zeros where nobody is in a category.
        assert!(predicted.iter().filter(|sum| **sum == 0).count() >= predicted.len() * 11 / 12);
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Bytes, PREDICTION));
        assert!(!rejected.any_of("→"), "each message by itself is uniform");
    }
}

#[test]
fn a_later_product_under_the_r_of_the_first_fails_by_the_difference_of_predictions() {
    for (attempt, prefix) in cases::LATER.into_iter().enumerate() {
        for input in [Input::Nothing, Input::Largest] {
            let mut view = honest("later questions on kept columns", input);
            let r = |number: u64, count: usize| {
                let stream = ["keys", "result"];
                cases::masks::<u16>(number, ["left", "dealer"], "q1/product", stream, 0, count)
            };
            let correction = format!("{prefix}dealer → right q1/product/dealer/keys");
            view.piece_mut(&correction).alter::<u16>(0, |sums| {
                add(sums, &r(cases::later(NUMBER, attempt), sums.len()));
                subtract(sums, &r(NUMBER, sums.len()));
            });
            let difference = cases::difference_of_predictions(&view, NUMBER, attempt);
            let name = format!("{prefix}{}", cases::DIFFERENCE);
            view.piece_mut(&name).alter(0, |sums: &mut [u16]| sums.copy_from_slice(&difference));
            // What is left is Xᵀ(V′ − V): zeros where nobody is in a category, and everywhere where V′ is V.
            let zeros = difference.iter().filter(|sum| **sum == 0).count();
            assert!(zeros >= difference.len() * if attempt == 0 { 11 } else { 12 } / 12);
            let rejected = Rejected::of(&[view]);
            assert!(rejected.by(Bytes, &name) && !rejected.by(Bytes, "→"));
            // With another V each message by itself is uniform, and so are any two. With the same V they are the same.
            assert_eq!(rejected.any_of("→"), attempt == 1);
            assert_eq!(rejected.by(Messages, &format!("{KEY_SUMS} less {correction}")), attempt == 1);
        }
    }
}

#[test]
fn a_column_sent_under_the_masks_of_an_earlier_attempt_fails_by_the_difference_of_messages() {
    // Right's other columns of the second question under the V of the first, as if its stream had been made again for them.
    for input in Input::ALL {
        let mut view = honest("later questions on kept columns", input);
        let second = format!("{}right → left q1/product/right", cases::LATER[0]);
        let mut start = 0;
        for part in 0..view.piece(&second).parts.len() {
            view.piece_mut(&second).alter::<u16>(part, |elements| {
                let v = |number: u64, count: usize| {
                    let stream = ["right", "mask"];
                    cases::masks::<u16>(number, ["right", "dealer"], "q1/product", stream, start, count)
                };
                add(elements, &v(cases::later(NUMBER, 0), elements.len()));
                subtract(elements, &v(NUMBER, elements.len()));
                start += elements.len();
            });
        }
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Messages, &format!("{RIGHT} less {second}")));
        assert!(rejected.by(Windows, ""));
        assert!(!rejected.by(Bytes, ""), "each message by itself is uniform");
    }
}

#[test]
fn a_stages_correction_without_r_fails_by_its_own_bits_and_rights_share_of_what_comes_out() {
    for input in [Input::Nothing, Input::Largest] {
        let mut view = honest("joined product", input);
        let (corrections, share) = ("→ right q1/joined/stage0/dealer", "right's share in stage 1");
        let mut start = 0;
        for part in 0..view.piece(corrections).parts.len() {
            // What comes out of a stage is first among what is sent in the next.
            let count = view.piece(corrections).elements::<u16>(part).len();
            let r = masks(["left", "dealer"], "q1/joined/stage0", ["rows", "result"], start, count);
            for piece in [corrections, "→ left q1/joined/stage1/right", share, "opened in stage 1"] {
                view.piece_mut(piece).alter::<u16>(part, |elements| add(elements, &r));
            }
            start += count;
        }
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Bytes, share));
        // Nothing is summed: a product of two uniform numbers is more often even than odd.
        assert!(rejected.by(Bits, &format!("{corrections}, bit 0")));
    }
}

#[test]
fn numbers_that_are_compared_without_r_fail_by_what_is_opened_and_by_nothing_else() {
    // The workers' shares of the numbers are random, so that each message would be uniform without its mask.
    let mut view = honest("classes of a sum", Input::Random);
    let parts = [("→ right q1/classes/left", "left"), ("→ left q1/classes/right", "right")];
    for (piece, worker) in parts {
        let mut start = 0;
        for part in 0..view.piece(piece).parts.len() {
            view.piece_mut(piece).alter::<u32>(part, |numbers| {
                let r: Vec<u32> =
                    masks([worker, "dealer"], "q1/classes", ["number", "mask"], start, numbers.len());
                numbers.iter_mut().zip(&r).for_each(|(number, r)| *number = number.wrapping_sub(*r));
                start += numbers.len();
            });
        }
    }
    view.pieces.retain(|piece| piece.name != "opened numbers");
    view.add_sums::<u32>("opened numbers", parts.map(|(piece, _)| piece));
    let rejected = Rejected::of(&[view]);
    assert!(rejected.by(Bytes, "opened numbers"));
    assert!(!rejected.any_of("→"), "each message by itself is uniform");
}

#[test]
fn shares_that_are_multiplied_without_masks_fail_by_what_is_opened() {
    for input in Input::ALL {
        let mut view = honest("joined product", input);
        let (stage, opened) = ("q1/joined/stage1", "opened in stage 1");
        let parts = [("right", "left"), ("left", "right")]
            .map(|(to, worker)| (format!("→ {to} {stage}/{worker}"), worker));
        for (piece, worker) in &parts {
            let mut start = 0;
            for part in 0..view.piece(piece).parts.len() {
                view.piece_mut(piece).alter::<u16>(part, |shares| {
                    add(shares, &masks([worker, "dealer"], stage, [worker, "mask"], start, shares.len()));
                    start += shares.len();
                });
            }
        }
        view.pieces.retain(|piece| piece.name != opened);
        view.add_sums::<u16>(opened, parts.each_ref().map(|(piece, _)| piece.as_str()));
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Bytes, opened));
        assert!(!rejected.by(Bytes, "→"), "each message by itself is uniform");
        // Right's share of the factor is what its owner sent.
        assert!(rejected.by(Windows, ""));
    }
}

#[test]
fn keys_of_comparisons_with_one_root_fail_by_their_bytes() {
    for input in Input::ALL {
        let (mut view, mut dice) = (View::default(), Dice::seeded(8));
        let roots: Vec<u128> = (0..KEYS).map(|_| dice.wide()).collect();
        let ciphers: [u8; CIPHERS] = std::array::from_fn(|_| dice.next() as u8);
        let (mut first, mut second) = (roots.clone(), roots);
        let thresholds = Thresholds::of(input, 17, KEYS);
        let mut generator = Generator::new(&Domain::new(17));
        let body = generator.generate(&ciphers, [&mut first, &mut second], thresholds.secrets());
        cases::add_keys(&mut view, 17, &body, KEYS);
        let rejected = Rejected::of(&[view]);
        assert!(rejected.by(Bytes, "keys of 17 bits, part 1"), "{input:?}");
    }
}
