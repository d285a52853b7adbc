//! Use for honest work: what the command `honest` prints of all questions, of fewer people.

use kobling_tests::honest::{Federation, REFUSED_PERCENT_MAX, questions};

/// Enough for every population of the list to pass its floor.
const PEOPLE: u32 = 20_000;
/// One in so many questions is asked here.
const EVERY: usize = 5;

#[test]
fn ordinary_questions_are_answered_and_counts_lie_near_the_truth() {
    let all = questions();
    assert_eq!(all.len(), 60);
    let federation = Federation::of(PEOPLE, 1);
    medians_of_groups_are_those_of_the_reference(&federation);
    let (mut asked, mut refused, mut shown) = (0, 0, 0);
    for question in all.into_iter().step_by(EVERY) {
        let answer = federation.ask(question);
        asked += 1;
        refused += usize::from(answer.refused.is_some());
        for table in &answer.tables {
            shown += table.counts.len();
            // A count carries at most five, where it is of values that are nobody's group's; and rule 13 may answer about an earlier
            // population in its place, fewer than fifteen units away.
            let far = table.counts.iter().find(|(shown, truth)| (shown - truth).abs() > 5.0 + 14.0);
            assert_eq!(far, None, "{}", question.name);
        }
    }
    assert!(100 * refused <= REFUSED_PERCENT_MAX * asked, "{refused} of {asked} refused");
    assert!(shown > 100, "{shown} counts are few");
}

/// Asked before anything else, so that rule 13 has no other population to answer about.
fn medians_of_groups_are_those_of_the_reference(federation: &Federation) {
    let name = "More than the usual wage where one lives";
    let question = questions().into_iter().find(|question| question.name == name).expect("on the list");
    assert!(question.measures_groups());
    let shown = &federation.ask(question).tables[0].counts;
    let steps = federation.steps(question);
    let farthest = |step: usize| {
        let distances = steps[step].counts.iter().map(|(count, truth)| (count - truth).abs());
        distances.fold(0.0, f64::max)
    };
    // No median is among the highest or lowest percent; that of neighbours is another number than the one in the middle.
    assert_eq!(farthest(0), 0.0);
    assert!((1.0..20.0).contains(&farthest(1)), "{steps:?}");
    // What is shown is what follows from the blurred medians, but for the noise of the cells.
    assert_eq!(shown.len(), steps[2].counts.len());
    let far = shown.iter().zip(&steps[2].counts).find(|((shown, _), (made, _))| (shown - made).abs() > 5.0);
    assert_eq!(far, None, "{steps:?}");
}
