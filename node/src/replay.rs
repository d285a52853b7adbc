//! Which requests have been taken: a file in the state folder, so that none is taken twice, whatever happens between.
//!
//! | what | why it holds |
//! | --- | --- |
//! | A request is noted down before it is granted. | [`ReplayStore::take`] returns after the line is synced. A crash before that leaves a request that was not granted; half a line at the end of the file is such a one, and is cut off |
//! | A nonce is forgotten only when its request can never be valid again. | Two clocks must say that it is over: this node's, and the platform's by the latest signature taken here. What is forgotten leaves behind the latest expiry among it, and nothing that expires by then is taken, whatever the clock says |
//! | A clock that was set back is noticed. | The latest time it has shown is kept, too; a clock that is behind it, or behind the platform's latest signature, by more than clocks may differ has every request refused |
//! | A file that cannot be written has requests refused. | Memory stays ahead of the file: what could not be written counts as taken. Before anything is written after a failure, the file is made anew from memory |
//!
//! A clock that leaps ahead forgets nothing, since no signature of the platform confirms it, but its time has been shown: when
//! it is back, requests are refused until the operator says that the clock is right now ([`ReplayStore::trust_clock`]), which it
//! cannot do against the platform's signatures. See `docs/decisions/22-signed-questions.md`.
//!
//! The file has a line for the times and one for each request:
//!
//! ```text
//! kobling replay 1
//! seen CLOCK PLATFORM FORGOTTEN          milliseconds since 1970-01-01 UTC, here and below
//! taken CLOCK ISSUED EXPIRES NONCE
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kobling_model::script_request::{RequestFault, ScriptRequest};

use crate::state::{self, StateError};

const HEADER: &str = "kobling replay 1";
/// How far the clock moves on before that alone is written down.
const SEEN_STEP_MS: u64 = 60_000;
/// Lines that a file may have, beyond twice those that it had when it was made anew, before it is made anew again.
const SPARE_LINES: usize = 1024;

/// Requests taken, in memory and on disk.
pub struct ReplayStore {
    path: PathBuf,
    state: Mutex<State>,
}

/// What is known; the file is behind only where it could not be written.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    /// Expiry of each request taken, by nonce.
    taken: HashMap<[u8; 16], u64>,
    /// The latest time that this node's clock has shown.
    clock_ms: u64,
    /// Of it, what is in the file.
    clock_written_ms: u64,
    /// The latest time at which the platform signed a request that was taken.
    platform_ms: u64,
    /// The latest expiry of a request that is forgotten.
    forgotten_ms: u64,
    /// Lines of the file after its header.
    lines: usize,
    /// Requests that it had when it was made anew.
    kept: usize,
    /// The file may end in something else than a whole line.
    broken: bool,
}

impl ReplayStore {
    /// Opens the file, or begins one, and notes what the clock shows.
    ///
    /// # Errors
    /// [`StateError`]: a file that cannot be read or written, or is damaged before its last line.
    pub fn open(path: PathBuf, now_ms: u64) -> Result<Self, StateError> {
        let mut state = Self::load(&path)?;
        state.clock_ms = state.clock_ms.max(now_ms);
        let store = Self { path, state: Mutex::default() };
        store.rewrite(&mut state).map_err(|source| StateError::Io { path: store.path.clone(), source })?;
        *store.lock() = state;
        Ok(store)
    }

    /// The latest time that the clock has shown, where it is behind that; none where it is not.
    ///
    /// # Errors
    /// [`StateError::NotReady`] where the platform has signed later than the clock shows: then the clock is wrong.
    pub fn shown_before(path: &Path, now_ms: u64) -> Result<Option<u64>, StateError> {
        let state = Self::load(path)?;
        if is_behind(now_ms, state.platform_ms) {
            let missing = "set the clock first: the platform has signed a later time than it shows";
            return Err(StateError::NotReady { missing });
        }
        Ok(is_behind(now_ms, state.clock_ms).then_some(state.clock_ms))
    }

    /// Says in the operator's name that the clock is right now, although it has shown a later time. Nothing that was taken is forgotten.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn trust_clock(path: &Path, now_ms: u64) -> Result<(), StateError> {
        let mut state = Self::load(path)?;
        state.clock_ms = now_ms;
        let store = Self { path: path.to_owned(), state: Mutex::default() };
        store.rewrite(&mut state).map_err(|source| StateError::Io { path: path.to_owned(), source })
    }

    fn load(path: &Path) -> Result<State, StateError> {
        let Some(bytes) = state::read(path)? else { return Ok(State::default()) };
        // What follows the last line end was being written when the node stopped: it was not granted.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = std::str::from_utf8(&bytes[..whole]).ok();
        text.and_then(State::read).ok_or_else(|| StateError::Damaged { path: path.to_owned() })
    }

    /// Checks that the clock can be trusted, and notes what it shows.
    ///
    /// # Errors
    /// [`RequestFault::ClockBehind`], [`RequestFault::Store`].
    pub fn see(&self, now_ms: u64) -> Result<(), RequestFault> {
        let mut state = self.lock();
        if is_behind(now_ms, state.clock_ms.max(state.platform_ms)) {
            return Err(RequestFault::ClockBehind);
        }
        state.clock_ms = state.clock_ms.max(now_ms);
        if state.clock_ms < state.clock_written_ms.saturating_add(SEEN_STEP_MS) {
            return Ok(());
        }
        let line = state.seen_line();
        self.append(&mut state, &line)
    }

    /// Takes a request that is valid now. Durable when this returns, and taken from here on even where it fails.
    ///
    /// # Errors
    /// [`RequestFault::ClockBehind`], [`RequestFault::Expired`], [`RequestFault::Replayed`], [`RequestFault::Store`].
    pub fn take(&self, request: &ScriptRequest, now_ms: u64) -> Result<(), RequestFault> {
        let mut state = self.lock();
        if is_behind(now_ms, state.clock_ms.max(state.platform_ms)) {
            return Err(RequestFault::ClockBehind);
        }
        if request.expires_ms <= state.forgotten_ms {
            return Err(RequestFault::Expired);
        }
        if state.taken.contains_key(&request.nonce) {
            return Err(RequestFault::Replayed);
        }
        state.note(now_ms, request.issued_ms, request.expires_ms, request.nonce);
        let ScriptRequest { issued_ms, expires_ms, nonce, .. } = request;
        let line = format!("taken {now_ms} {issued_ms} {expires_ms} {}\n", hex::encode(nonce));
        self.append(&mut state, &line)?;
        if state.lines > 2 * state.kept + SPARE_LINES {
            // The request is on disk already; a file that could not be made anew is made anew next time.
            state.forget();
            state.broken = self.rewrite(&mut state).is_err();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line and syncs it. The file is opened anew each time and never made here: one that was taken away is noticed.
    fn append(&self, state: &mut State, line: &str) -> Result<(), RequestFault> {
        let result = if state.broken { self.rewrite(state) } else { self.append_to_file(line) };
        state.broken = result.is_err();
        match result {
            Ok(()) => {
                state.lines += 1;
                state.clock_written_ms = state.clock_ms;
                Ok(())
            }
            Err(_) => Err(RequestFault::Store),
        }
    }

    fn append_to_file(&self, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    /// Makes the file anew from memory: whole or not at all.
    fn rewrite(&self, state: &mut State) -> io::Result<()> {
        let text = state.write();
        let as_io = |error| match error {
            StateError::Io { source, .. } => source,
            other => io::Error::other(other),
        };
        state::replace(&self.path, text.as_bytes()).map_err(as_io)?;
        state.lines = 1 + state.taken.len();
        state.kept = state.taken.len();
        state.clock_written_ms = state.clock_ms;
        Ok(())
    }
}

/// Whether a clock that shows `now_ms` is behind a time that has been, by more than clocks may differ.
fn is_behind(now_ms: u64, been_ms: u64) -> bool {
    now_ms.saturating_add(ScriptRequest::SKEW_MS) < been_ms
}

impl State {
    fn note(&mut self, clock_ms: u64, issued_ms: u64, expires_ms: u64, nonce: [u8; 16]) {
        self.taken.insert(nonce, expires_ms);
        self.clock_ms = self.clock_ms.max(clock_ms);
        self.platform_ms = self.platform_ms.max(issued_ms);
    }

    /// Forgets what both clocks say is over.
    fn forget(&mut self) {
        let now_ms = self.clock_ms.min(self.platform_ms);
        let over = |expires_ms: u64| expires_ms.saturating_add(ScriptRequest::SKEW_MS) < now_ms;
        let forgotten = self.taken.values().copied().filter(|expires_ms| over(*expires_ms)).max();
        self.forgotten_ms = self.forgotten_ms.max(forgotten.unwrap_or(0));
        self.taken.retain(|_, expires_ms| !over(*expires_ms));
    }

    fn seen_line(&self) -> String {
        format!("seen {} {} {}\n", self.clock_ms, self.platform_ms, self.forgotten_ms)
    }

    fn write(&self) -> String {
        let mut text = format!("{HEADER}\n{}", self.seen_line());
        for (nonce, expires_ms) in &self.taken {
            // When it was taken and signed is in the first line already, as far as it matters.
            writeln!(text, "taken 0 0 {expires_ms} {}", hex::encode(nonce))
                .expect("writing to memory does not fail");
        }
        text
    }

    fn read(text: &str) -> Option<Self> {
        let mut state = Self::default();
        let mut lines = text.lines();
        if lines.next()? != HEADER {
            return None;
        }
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["seen", clock, platform, forgotten] => {
                    state.clock_ms = state.clock_ms.max(number(clock)?);
                    state.platform_ms = state.platform_ms.max(number(platform)?);
                    state.forgotten_ms = state.forgotten_ms.max(number(forgotten)?);
                }
                ["taken", clock, issued, expires, nonce] => {
                    let mut bytes = [0; 16];
                    hex::decode_to_slice(nonce, &mut bytes).ok()?;
                    state.note(number(clock)?, number(issued)?, number(expires)?, bytes);
                }
                _ => return None,
            }
        }
        Some(state)
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kobling_model::SessionId;
    use tempfile::TempDir;

    use super::*;

    const NOW: u64 = 1_795_363_200_000;
    const HOUR: u64 = 3_600_000;

    fn request(number: u16, issued_ms: u64) -> ScriptRequest {
        let mut nonce = [0; 16];
        nonce[..2].copy_from_slice(&number.to_le_bytes());
        ScriptRequest {
            session: SessionId([1; 16]),
            script: String::new(),
            researcher: "r".into(),
            institution: "i".into(),
            purpose: "p".into(),
            nodes: Vec::new(),
            releases: Vec::new(),
            nonce,
            issued_ms,
            expires_ms: issued_ms + HOUR,
        }
    }

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("state").join("replay")
        }

        fn open(&self, now_ms: u64) -> ReplayStore {
            fs::create_dir_all(self.path().parent().expect("a folder")).expect("made");
            ReplayStore::open(self.path(), now_ms).expect("opens")
        }
    }

    #[test]
    fn a_request_is_taken_once_also_after_a_restart() {
        let place = Place::new();
        let store = place.open(NOW);
        assert_eq!(store.take(&request(1, NOW), NOW), Ok(()));
        assert_eq!(store.take(&request(1, NOW), NOW + 1), Err(RequestFault::Replayed));
        // The nonce is what counts, not what is around it.
        assert_eq!(store.take(&request(1, NOW + 5), NOW + 5), Err(RequestFault::Replayed));
        drop(store);
        for _ in 0..2 {
            let store = place.open(NOW + 10);
            assert_eq!(store.take(&request(1, NOW), NOW + 10), Err(RequestFault::Replayed));
        }
        assert_eq!(place.open(NOW + 20).take(&request(2, NOW), NOW + 20), Ok(()));
    }

    #[test]
    fn a_torn_last_line_was_not_granted_and_any_other_damage_stops_the_node() {
        let place = Place::new();
        let store = place.open(NOW);
        for number in 0..3 {
            store.take(&request(number, NOW), NOW).expect("taken");
        }
        drop(store);
        let whole = fs::read(place.path()).expect("there");
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
        for end in last..whole.len() {
            fs::write(place.path(), &whole[..end]).expect("written");
            let store = place.open(NOW);
            assert_eq!(store.take(&request(1, NOW), NOW), Err(RequestFault::Replayed));
            assert_eq!(store.take(&request(2, NOW), NOW), Ok(()), "cut at {end}");
        }
        let text = String::from_utf8(whole).expect("text");
        let damaged =
            [text.replacen("taken", "takes", 1), text.replacen("replay 1", "replay 2", 1), String::new()];
        for damaged in damaged {
            fs::write(place.path(), damaged).expect("written");
            assert!(matches!(ReplayStore::open(place.path(), NOW), Err(StateError::Damaged { .. })));
        }
    }

    #[test]
    fn a_store_that_cannot_be_written_takes_nothing_and_forgets_nothing() {
        let place = Place::new();
        let store = place.open(NOW);
        assert_eq!(store.take(&request(1, NOW), NOW), Ok(()));
        let folder = place.path().parent().expect("a folder").to_owned();
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(store.take(&request(2, NOW), NOW), Err(RequestFault::Store));
        assert_eq!(store.take(&request(3, NOW), NOW), Err(RequestFault::Store));
        fs::create_dir(&folder).expect("made");
        // It goes on by itself when it can; what could not be noted down counts as taken.
        assert_eq!(store.take(&request(4, NOW), NOW), Ok(()));
        drop(store);
        let store = place.open(NOW);
        for number in 1..=4 {
            assert_eq!(store.take(&request(number, NOW), NOW), Err(RequestFault::Replayed), "{number}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_is_refused_also_after_a_restart() {
        let place = Place::new();
        let store = place.open(NOW);
        assert_eq!(store.see(NOW + HOUR), Ok(()));
        assert_eq!(store.see(NOW + HOUR - ScriptRequest::SKEW_MS), Ok(()), "clocks are set by little");
        let back = NOW + HOUR - ScriptRequest::SKEW_MS - 1;
        assert_eq!(store.see(back), Err(RequestFault::ClockBehind));
        assert_eq!(store.take(&request(1, NOW), back), Err(RequestFault::ClockBehind));
        drop(store);
        let store = place.open(back);
        assert_eq!(store.take(&request(1, NOW), back), Err(RequestFault::ClockBehind));
        assert_eq!(store.take(&request(1, NOW + HOUR), NOW + HOUR), Ok(()));
    }

    #[test]
    fn a_clock_that_leaps_ahead_and_back_forgets_nothing() {
        let place = Place::new();
        let store = place.open(NOW);
        assert_eq!(store.take(&request(1, NOW), NOW), Ok(()));
        let leapt = NOW + 10_000 * HOUR;
        assert_eq!(store.see(leapt), Ok(()));
        // However many lines there are, and whenever the file is made anew.
        store.lock().forget();
        drop(store);
        drop(place.open(leapt));
        let store = place.open(NOW + 10);
        assert_eq!(store.see(NOW + 10), Err(RequestFault::ClockBehind));
        drop(store);
        let behind = || ReplayStore::shown_before(&place.path(), NOW + 20).expect("not against the platform");
        assert_eq!(behind(), Some(leapt));
        ReplayStore::trust_clock(&place.path(), NOW + 20).expect("trusted");
        assert_eq!(behind(), None);
        let store = place.open(NOW + 20);
        assert_eq!(store.take(&request(1, NOW), NOW + 20), Err(RequestFault::Replayed));
        assert_eq!(store.take(&request(2, NOW), NOW + 20), Ok(()));
        drop(store);
        // Not against the platform's word.
        let early = ReplayStore::shown_before(&place.path(), NOW - ScriptRequest::SKEW_MS - 1);
        assert!(matches!(early, Err(StateError::NotReady { .. })));
    }

    #[test]
    fn what_is_over_by_both_clocks_is_forgotten_and_stays_refused() {
        let place = Place::new();
        let store = place.open(NOW);
        let later = NOW + 2 * HOUR;
        for number in 0..1200 {
            store.take(&request(number, NOW), NOW).expect("taken");
        }
        for number in 1200..3000 {
            store.take(&request(number, later), later).expect("taken");
        }
        store.lock().forget();
        assert_eq!(store.lock().taken.len(), 1800, "what had expired is gone");
        for now_ms in [later, later - ScriptRequest::SKEW_MS] {
            assert_eq!(store.take(&request(7, NOW), now_ms), Err(RequestFault::Expired));
            assert_eq!(store.take(&request(1300, later), now_ms), Err(RequestFault::Replayed));
        }
        // The file is made anew before it grows without bound.
        for number in 3000..9000 {
            let at = NOW + u64::from(number) * HOUR;
            store.take(&request(number, at), at).expect("taken");
        }
        let lines = fs::read_to_string(place.path()).expect("there").lines().count();
        assert!(lines < 4000, "{lines} lines");
        drop(store);
        let at = NOW + 9000 * HOUR;
        assert_eq!(place.open(at).take(&request(7, NOW), at), Err(RequestFault::Expired));
    }
}
