//! Did-you-mean: the known words nearest to one that is not known.

/// Up to three of `known`, nearest first, that a typing error may have turned into `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<char> = word.to_lowercase().chars().collect();
    if wanted.len() > 64 {
        return Vec::new();
    }
    let allowed = (wanted.len() / 3).clamp(1, 4);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for candidate in known {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        if letters.len().abs_diff(wanted.len()) <= allowed {
            let distance = distance(&wanted, &letters);
            if distance <= allowed {
                found.push((distance, candidate));
            }
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string
/// alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_previous = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            current[j] = replace.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                current[j] = current[j].min(before_previous[j - 2] + 1);
            }
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_words_come_first_and_far_ones_not_at_all() {
        let commands = ["generate", "tabulate", "tabulate-panel", "use"];
        assert_eq!(nearest("tabluate", commands), ["tabulate"]);
        assert_eq!(nearest("GENERATE", commands), ["generate"]);
        assert_eq!(nearest("kolonne", commands), Vec::<String>::new());
        assert_eq!(nearest(&"x".repeat(1000), commands), Vec::<String>::new());
    }
}
