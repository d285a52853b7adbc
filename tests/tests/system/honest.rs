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
