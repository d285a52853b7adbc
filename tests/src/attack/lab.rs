//! What attacks are made with: a size, a seed, a world that several share, and a way to be stopped.

use std::any::Any;
use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::rate::Rate;
use super::{Bound, Measure};
use crate::dice::Dice;
use crate::reference::Keys;
use crate::registers::{Mix, Owner, standard};
use crate::world::World;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What runs with every change.
    Small,
    /// What is published.
    Full,
}

/// What attacks are made with.
pub struct Lab {
    /// How much is tried.
    pub size: Size,
    /// Decides what the attacker tries. Keys of a [`World`] are drawn by its nodes.
    pub seed: u64,
    stop: Arc<AtomicBool>,
    world: OnceCell<World>,
}

impl Lab {
    /// A lab that stops where `stop` is set.
    pub fn new(size: Size, seed: u64, stop: Arc<AtomicBool>) -> Self {
        Self { size, seed, stop, world: OnceCell::new() }
    }

    /// Whether somebody wants it to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A number by size.
    pub fn of<T>(&self, small: T, full: T) -> T {
        match self.size {
            Size::Small => small,
            Size::Full => full,
        }
    }

    /// A stream of its own for each attack.
    pub fn dice(&self, of: &str) -> Dice {
        let label = of.bytes().fold(0_u64, |label, byte| label.wrapping_mul(257).wrapping_add(byte.into()));
        Dice::seeded(self.seed ^ label)
    }

    /// Registers of the world that is shared.
    pub fn owners() -> Vec<Owner> {
        standard(Mix { missing: 0, ..Mix::of(17) })
    }

    /// A world that attacks share which only ask. It is founded when it is first needed.
    pub fn world(&self) -> &World {
        self.world.get_or_init(|| World::of(Self::owners()).found())
    }

    /// How often `is_right` in so many trials, fewer where the lab is stopped.
    pub fn rate(&self, trials: u64, mut is_right: impl FnMut() -> bool) -> Rate {
        let (mut right, mut done) = (0, 0);
        while done < trials && !self.is_stopped() {
            right += u64::from(is_right());
            done += 1;
        }
        Rate::Counted { right, trials: done }
    }

    /// Claims about whole systems, each of which panics where it does not hold. An attack is right where a claim fails.
    pub fn claims(&self, what: &str, claims: &[fn()]) -> Measure {
        let (mut right, mut trials, mut note) = (0, 0, String::new());
        for claim in claims {
            if self.is_stopped() {
                break;
            }
            trials += 1;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(claim)) {
                right += 1;
                note = message_of(&*panic);
            }
        }
        Measure::new(what, Rate::Counted { right, trials }, Bound::Never).noted(note)
    }
}

/// Sex, site and place of people at two owners of the standard registers.
pub(super) const IMPORTS: &str =
    "import ssb/KJOENN as k\nimport krg/STED as s\nimport ssb/BOSTED 2020-01-01 as b\n";

/// What a panic said, in one line.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("a panic without a message");
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// Keys of a federation that has just been founded.
pub(super) fn fresh_keys(dice: &mut Dice) -> Keys {
    let mut bytes = std::iter::repeat_with(|| dice.draw().to_le_bytes()).flatten();
    let mut take = || bytes.next().expect("a stream without an end");
    Keys { record_key_secret: std::array::from_fn(|_| take()), noise_key: std::array::from_fn(|_| take()) }
}
