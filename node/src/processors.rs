//! Work over long lists, on all processors.

use std::num::NonZero;
use std::thread;

/// A thread is not begun for fewer elements.
const PART_MIN: usize = 1 << 14;

/// Runs `work` over parts of a list, side by side on as many threads as there are processors; it is given the place of the part's
/// first element.
pub(crate) fn on_all_processors<T: Send>(list: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let part = list.len().div_ceil(threads).max(PART_MIN);
    let (work, mut parts) = (&work, list.chunks_mut(part).enumerate());
    let own = parts.next();
    thread::scope(|scope| {
        for (at, part_of_list) in parts {
            scope.spawn(move || work(at * part, part_of_list));
        }
        if let Some((_, first)) = own {
            work(0, first);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_worked_on_once_and_knows_its_place() {
        for length in [0, 1, PART_MIN, 5 * PART_MIN + 3] {
            let mut list = vec![0; length];
            on_all_processors(&mut list, |first, part| {
                part.iter_mut().enumerate().for_each(|(at, element)| *element += first + at);
            });
            assert!(list.into_iter().eq(0..length));
        }
    }
}
