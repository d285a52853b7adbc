//! Whether every masked message of every protocol is uniform, whatever the inputs: a statistical test, and leaks that fail it.
//!
//! A *view* is what one attempt shows: all messages on all links, and what a receiver can compute from them with its own masks
//! and input: what the two workers open to each other, its share of a result and of what comes between, and its own
//! prediction of what the dealer sends. All of it should be uniform and independent. Every protocol runs on three inputs of
//! one shape (nothing at all; everybody in one category with every value at its largest; random), each with seeds of its own
//! that follow from fixed numbers: the test is the same in every run.
//!
//! # Error level
//! All tests together reject what is uniform with a probability below 10⁻⁶: there are at most 2·10⁶ of them (they are counted)
//! and each has a level of 5·10⁻¹³ (C. E. Bonferroni, 1936; nothing is assumed about how they depend on each other). The
//! probability is over the fixed numbers, with AES and HKDF taken for random functions. Each level holds for the number of
//! bytes at hand, not in a limit: for this reason frequencies are judged by relative entropy, whose tail is bounded for any
//! number of draws, in place of Pearson's chi-square sum, whose tail is known in the limit only. (In the limit 2·n·D is that
//! sum.)
//!
//! # Statistics
//! n draws in k places, frequencies p̂; under uniformity:
//!
//! | statistic | of | null distribution | bound on the tail |
//! | --- | --- | --- | --- |
//! | `Bytes` | n·D(p̂‖1/256) of bytes: of all of a name, of each message, each column, each column of a message; by place in an element | multinomial, k = 256 | e⁻ˣ(e·x/(k − 1))^(k − 1) for x = n·D > k − 1 \[A\] |
//! | `Bits` | ones of each bit of an element, likewise | binomial, ½ | 2·e^(−n·D(p̂‖½)) \[H1\] |
//! | `Neighbours` | bytes of differences of neighbours, down columns and across them; nibbles of neighbours, in pairs that do not overlap | multinomial, k = 256 (differences of successive independent uniform elements of a group are such again) | \[A\] |
//! | `Repeats` | elements that came before in their column | a sum of indicators, the i-th with conditional mean ≤ i·2⁻ʷ, μ in all | e^(−μ)(e·μ/c)ᶜ for c > μ \[C\] |
//! | `Columns` | bytes of differences of every two columns of a name | multinomial | \[A\] |
//! | `Messages` | bytes of differences of messages of a name, at most eight apart, and of the first ones of every two names | multinomial | \[A\] |
//! | `Windows` | sixteen bytes in a row that are found twice, anywhere on any link in any of the attempts | each pair agrees with 2⁻¹²⁸, also where two overlap | number of pairs · 2⁻¹²⁸, by the union bound |
//! | `Samples` | n·D(p̂‖q̂) of one input's bytes from those of both, q̂, of each name and column | draws without replacement | \[A\], which holds for them by \[H4\]; no uniformity is assumed |
//! | `Attempts` | bytes and bits of differences of one input's elements and another's, of each name and column | multinomial, binomial | \[A\], \[H1\] |
//!
//! - \[A\] R. Agrawal, "Finite-sample concentration of the multinomial in relative entropy", IEEE Transactions on Information Theory 66 (2020): the moment
//!   generating function of n·D is at most that of a gamma variable of shape k − 1 and rate 1, whose Chernoff bound this is.
//! - \[H1\], \[H4\] W. Hoeffding, "Probability inequalities for sums of bounded random variables", Journal of the American Statistical Association 58 (1963), theorems 1
//!   and 4: the mean of a convex function, such as e^(λ·n·D), of a sum of draws without replacement is at most that with replacement.
//! - \[C\] H. Chernoff, Annals of Mathematical Statistics 23 (1952), for the Poisson variable that dominates the sum.
//!
//! # Leaks that fail
//!
//! | leak | fails by |
//! | --- | --- |
//! | a block that is not masked; a column of one | bytes |
//! | masks of 15 bits in a ring of 16 | bits |
//! | a second block masked from position 0 again | messages, windows |
//! | one stream for two sets of columns; for both workers | columns; messages |
//! | a retry with another filter under the same seeds | attempts, windows |
//! | an order kept: masks by category in place of row | repeats |
//! | an order kept: rows sent in ascending order | neighbours; no test of bytes |
//! | the dealer's correction of sums without R | bytes of what right predicts of it; no test of a message |
//! | of a joined product's stage without R | bytes of right's share of what comes out, bits |
//! | of a later question on kept columns with the R of the first | bytes of the difference of what right predicts; of a message only where V is the first's too |
//! | other columns under the masks of an earlier attempt | messages, windows; no test of a message's bytes |
//! | a number that is compared without r | bytes of what is opened; no test of a message |
//! | shares of a joined product's stage without masks | bytes of what is opened, windows (a factor's share is its owner's message); no test of a message's bytes |
//! | a comparison's keys with one root | bytes |
//!
//! # What it does not see
//! Masks that are right in number and kind, but known to the receiver in a way that is not among the computed parts of a view;
//! time; who sends when. Left out are what is opened on purpose (a decision's bit), the keys of the ciphers of comparisons' keys,
//! which mask nothing, and the prime field, whose elements are not uniform bytes. That no position of a stream is used twice,
//! and that outsides of messages follow from the shape, the protocols' own tests show.

mod cases;
mod leaks;
mod statistics;
mod view;

use self::cases::{CASES, Input};
use self::statistics::{Findings, TESTS_MAX};

#[test]
fn every_masked_message_is_uniform_whatever_the_input() {
    let mut all = Findings::default();
    for (at, case) in CASES.iter().enumerate() {
        let views = Input::ALL.map(|input| (case.run)(input, cases::number(at, input)));
        all.judge_case(case.name, &views);
    }
    assert!(all.rejected.is_empty(), "of {} tests: {:#?}", all.tests, all.rejected);
    assert!(all.tests <= TESTS_MAX, "{} tests", all.tests);
}

#[test]
fn views_of_one_shape_have_the_same_parts_of_the_same_sizes_whatever_the_input() {
    for (at, case) in CASES.iter().enumerate() {
        let outsides = Input::ALL.map(|input| (case.run)(input, cases::number(at, input)).outside());
        assert_eq!(outsides[0], outsides[1], "{}", case.name);
        assert_eq!(outsides[0], outsides[2], "{}", case.name);
        // Were all bytes of it equal, it would be rejected.
        outsides[0].iter().for_each(|(name, bytes)| assert!(*bytes >= 128, "{}: {name}: {bytes}", case.name));
    }
}
