//! Parties of each protocol in one process: what each spends, sends and waits for.
//!
//! [`together`] runs all parties of a case, each in a thread of its own. [`alone`] runs one of them against stand-ins, which
//! take what it sends and send uniform bytes where it waits: names, numbers and sizes of messages follow from public
//! shapes alone, and whatever arrives is an element of its ring. So a party's memory can be told from the others'.

use std::cell::RefCell;
use std::mem;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kobling_crypto::channel::{
    Channel, ChannelError, FramedChannel, Header, StepName, Transcript, Transport, TransportError,
};
use kobling_crypto::memory;
use kobling_crypto::protocol::classes::{ClassShape, ClassesAtLeft, ClassesAtRight, DealtClasses};
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::factor::{DealtFactor, Factor};
use kobling_crypto::protocol::joined_product::{self, JoinedShape};
use kobling_crypto::protocol::lookup::PerturbationTable;
use kobling_crypto::protocol::narrow_product::{self, LeftRows, NO_CATEGORY, OwnerShape, ProductShape};
use kobling_crypto::protocol::protect::{self, CellShares, Program, ProtectShape};
use kobling_crypto::protocol::protect_sums::ValueShape;
use kobling_crypto::protocol::shared_columns::{
    self, ColumnsAtLeft, ColumnsAtRight, DealtColumns, OwnerRows, ShareAtLeft, ShareAtRight,
};
use kobling_crypto::seeds::{EphemeralKey, PairSeed};
use rustix::time::{ClockId, clock_gettime};

const SESSION: [u8; 16] = [1; 16];

/// A protocol and its public shape.
#[derive(Clone)]
pub enum Case {
    /// A product of columns.
    Product(ProductShape),
    /// The same, joined factor by factor; the last of the factors may be classes that nobody knows.
    Joined(JoinedShape, Option<ClassShape>),
    /// Classes by themselves.
    Classes(ClassShape),
    /// Protection of a table.
    Protection(ProtectShape),
}

impl Spent {
    /// Seconds on a processor.
    pub fn cpu_s(&self) -> f64 {
        self.slices_s.iter().sum()
    }
}

/// Most slices that a party's time is cut into.
const SLICES: usize = 64;

thread_local! {
    /// This thread's time at each message.
    static MARKS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// One of the parties of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    Left,
    Right,
    Dealer,
    Other(usize),
}

/// What a party spent.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    /// Seconds on a processor, from one message to the next or, where there are many, over some of them: see [`SLICES`].
    pub slices_s: Vec<f64>,
    /// Bytes of bodies sent to left and to right.
    pub sent: [u64; 2],
    /// Times that it waited for the other worker after it had sent something.
    pub rounds: u64,
    /// Messages sent.
    pub messages: u64,
}

/// Columns of an owner.
pub fn owner(categories: usize, values: &[u8]) -> OwnerShape {
    OwnerShape { categories, values: values.to_vec() }
}

/// Protection of a table with nine rows of noise.
pub fn protection(cells: usize, values: bool) -> ProtectShape {
    let thresholds = (0..9u16)
        .map(|row| if row == 0 { vec![0, 0, 256, 256] } else { vec![row, 40 + row, 150 + row, 250] })
        .collect();
    let values = values.then_some(ValueShape {
        squares: true,
        sum_bits: 21,
        square_bits: 40,
        units_min: 15,
        dominance_percent_max: 90,
        evidence: vec![1],
    });
    ProtectShape {
        cells,
        table: PerturbationTable::new(thresholds, 2).expect("a table"),
        column_id: ProtectShape::COUNT_COLUMN,
        program: Program::Table {
            small_max: 4,
            small_percent_max: 50,
            counted: (0..cells).collect(),
            values,
        },
    }
}

/// Seconds that this thread has been on a processor; others may be busy with other things.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Runs all parties of a case: what each spent, in the order of [`Case::parties`], and seconds on the wall.
///
/// Where the dealer goes first, it and the further owners have ended before the workers begin, and what they sent is in
/// memory; the wall's seconds are then the workers'. Where not, all work at once and links hold a few messages.
pub fn together(case: &Case, dealer_first: bool) -> (Vec<Spent>, f64) {
    let parties = case.parties();
    let mut places: Vec<Place> = parties.iter().map(|_| Place::default()).collect();
    for one in 0..parties.len() {
        for other in one + 1..parties.len() {
            let (a, b) = link(dealer_first);
            let (seed_a, seed_b) = seeds();
            places[one].meet(parties[other], a, seed_a);
            places[other].meet(parties[one], b, seed_b);
        }
    }
    let mut work: Vec<_> = parties.iter().map(|party| case.input(*party)).zip(places).zip(&parties).collect();
    let mut before = Vec::new();
    if dealer_first {
        before = work.split_off(2);
    }
    let run = |((input, place), party): &mut ((Input, Place), &Party)| case.run(**party, place, input);
    let mut spent: Vec<Spent> = before.iter_mut().map(run).collect();
    let started = Instant::now();
    let of_workers: Vec<Spent> = std::thread::scope(|scope| {
        let threads: Vec<_> = work.iter_mut().map(|work| scope.spawn(|| run(work))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a party ends")).collect()
    });
    spent.splice(0..0, of_workers);
    (spent, started.elapsed().as_secs_f64())
}

/// Runs one party of a case by itself, again and again for `seconds`: what it spent, each slice in its lowest tenth, and the bytes of
/// memory that it needed at once beyond what it had before. Not the least: a kernel in a virtual machine takes what the host has stolen
/// off a thread's account now and then, from whatever the thread does then.
pub fn alone(case: &Case, party: Party, seconds: f64) -> (Spent, u64) {
    let place = |case: &Case| {
        let mut place = Place::default();
        for other in case.parties().into_iter().filter(|other| *other != party) {
            place.meet(other, Box::new(StandIn::new()), seeds().0);
        }
        place
    };
    // So that the program's own pages are there.
    let few_rows = case.with_few_rows();
    few_rows.run(party, &mut place(&few_rows), &few_rows.input(party));
    let (mut first, input) = (place(case), case.input(party));
    // A thread does not use again what another has freed.
    let run = || {
        std::fs::write("/proc/self/clear_refs", "5").expect("Linux forgets the peak of a process's memory");
        let before = peak_bytes();
        let mut runs = vec![case.run(party, &mut first, &input)];
        let peak = peak_bytes() - before;
        while runs.iter().map(Spent::cpu_s).sum::<f64>() < seconds {
            runs.push(case.run(party, &mut place(case), &input));
        }
        let slices_s =
            low_slices(&runs.iter().map(|spent| &*spent.slices_s).collect::<Vec<_>>(), |count| count / 10);
        (Spent { slices_s, ..runs.swap_remove(0) }, peak)
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("a party ends"))
}

/// Each slice of several runs of one size: the one in the place among its like, in rising order, that `place` says of their count.
pub fn low_slices(runs: &[&[f64]], place: fn(usize) -> usize) -> Vec<f64> {
    let slice = |at: usize| {
        let mut like: Vec<f64> = runs.iter().map(|slices| slices[at]).collect();
        like.sort_by(f64::total_cmp);
        like[place(like.len())]
    };
    (0..runs[0].len()).map(slice).collect()
}

/// Peak of the resident set.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells a process's memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    1024 * kilobytes
}

/// What a party brings with it.
#[derive(Default)]
struct Input {
    categories: Vec<u32>,
    keys: Vec<[u16; 3]>,
    values: Vec<Vec<u8>>,
    summand: Vec<u32>,
}

impl Input {
    /// Rows of an owner, a fifth of them in no category.
    fn of(owner: &OwnerShape, rows: usize, shift: usize) -> Self {
        let category = |row: usize| match (row + shift).is_multiple_of(5) {
            true => NO_CATEGORY,
            false => ((row + shift) * 7 % owner.categories) as u32,
        };
        let values = owner.values.iter().map(|bits| (0..rows).map(|row| (row % (1 << bits)) as u8).collect());
        Self { categories: (0..rows).map(category).collect(), values: values.collect(), ..Self::default() }
    }

    fn with_keys(mut self) -> Self {
        self.keys = (0..self.categories.len()).map(|row| [row as u16, (row >> 3) as u16, 7]).collect();
        self
    }

    /// A worker's part of a number in 0..2^bits.
    fn summand(shape: &ClassShape, is_left: bool) -> Vec<u32> {
        let left = |row: u32| row.wrapping_mul(0x9e37_79b9);
        let number = |row: u32| row.wrapping_mul(7919) % (1 << shape.bits);
        let own = |row| if is_left { left(row) } else { number(row).wrapping_sub(left(row)) };
        (0..shape.rows as u32).map(own).collect()
    }

    fn left(&self) -> LeftRows<'_> {
        LeftRows { categories: &self.categories, keys: &self.keys, values: &self.values }
    }

    fn rows(&self) -> OwnerRows<'_> {
        OwnerRows { categories: &self.categories, values: &self.values }
    }
}

/// A party's links and the seeds it has with others.
#[derive(Default)]
struct Place {
    left: Option<(Counted, PairSeed)>,
    right: Option<(Counted, PairSeed)>,
    dealer: Option<(Counted, PairSeed)>,
    others: Vec<(Counted, PairSeed)>,
}

impl Place {
    fn meet(&mut self, other: Party, link: Box<dyn Channel>, seed: PairSeed) {
        let met = (Counted::new(link), seed);
        match other {
            Party::Left => self.left = Some(met),
            Party::Right => self.right = Some(met),
            Party::Dealer => self.dealer = Some(met),
            Party::Other(_) => self.others.push(met),
        }
    }
}

/// A link and the seed with the party at its end, apart.
fn apart(met: &mut Option<(Counted, PairSeed)>) -> (&mut Counted, &PairSeed) {
    let (link, seed) = met.as_mut().expect("all parties know each other");
    (link, seed)
}

impl Case {
    /// Left, right, the dealer, and further owners.
    pub fn parties(&self) -> Vec<Party> {
        let others = match self {
            Self::Product(shape) => shape.others.len(),
            Self::Joined(shape, classes) => shape.factors.len() - usize::from(classes.is_some()),
            Self::Classes(_) | Self::Protection(_) => 0,
        };
        [Party::Left, Party::Right, Party::Dealer].into_iter().chain((0..others).map(Party::Other)).collect()
    }

    /// Linked rows, or cells of a table.
    pub fn rows_or_cells(&self) -> usize {
        match self {
            Self::Product(shape) => shape.rows,
            Self::Joined(shape, _) => shape.rows,
            Self::Classes(shape) => shape.rows,
            Self::Protection(shape) => shape.cells,
        }
    }

    /// The same with four blocks of rows.
    fn with_few_rows(&self) -> Self {
        let mut case = self.clone();
        let (rows, block_rows) = match &mut case {
            Self::Product(shape) => (&mut shape.rows, shape.block_rows),
            Self::Joined(shape, classes) => {
                if let Some(classes) = classes {
                    classes.rows = classes.rows.min(4 * shape.block_rows);
                }
                (&mut shape.rows, shape.block_rows)
            }
            Self::Classes(shape) => (&mut shape.rows, shape.block_rows),
            Self::Protection(_) => return case,
        };
        *rows = (4 * block_rows).min(*rows);
        case
    }

    fn input(&self, party: Party) -> Input {
        let (rows, left, right, others) = match self {
            Self::Product(shape) => (shape.rows, &shape.left, &shape.right, &shape.others),
            Self::Joined(shape, _) => (shape.rows, &shape.left, &shape.right, &shape.factors),
            Self::Classes(shape) => {
                let summand = Input::summand(shape, party == Party::Left);
                return Input { summand, ..Input::default() };
            }
            Self::Protection(_) => return Input::default(),
        };
        let mut input = match party {
            Party::Left => Input::of(left, rows, 0).with_keys(),
            Party::Right => Input::of(right, rows, 1),
            Party::Other(other) => Input::of(&others[other], rows, 2 + other),
            Party::Dealer => Input::default(),
        };
        if let Self::Joined(shape, classes) = self {
            if shape.right_is_everyone && party == Party::Right {
                input.categories.fill(0);
            }
            if let (Some(classes), Party::Left | Party::Right) = (classes, party) {
                input.summand = Input::summand(classes, party == Party::Left);
            }
        }
        input
    }

    /// A party's whole part.
    fn run(&self, party: Party, place: &mut Place, input: &Input) -> Spent {
        MARKS.take();
        let started = cpu_seconds();
        match self {
            Self::Product(shape) => product(shape, party, place, input),
            Self::Joined(shape, classes) => joined(shape, classes.as_ref(), party, place, input),
            Self::Classes(shape) => classes(shape, party, place, input),
            Self::Protection(shape) => protect(shape, party, place),
        }
        let ended = cpu_seconds();
        let marks = MARKS.take();
        let of_slice = marks.len().div_ceil(SLICES).max(1);
        let borders = marks.into_iter().skip(of_slice - 1).step_by(of_slice).chain([ended]);
        let slices = borders.scan(started, |from, to| Some(to - mem::replace(from, to)));
        let slices_s = slices.collect();
        let links = [&place.left, &place.right, &place.dealer].into_iter().flatten().chain(&place.others);
        let messages = links.map(|(link, _)| link.messages).sum();
        let sent = |met: &Option<(Counted, PairSeed)>| met.as_ref().map_or(0, |(link, _)| link.bytes);
        let peer = match party {
            Party::Left => &place.right,
            Party::Right => &place.left,
            _ => &None,
        };
        let rounds = peer.as_ref().map_or(0, |(link, _)| link.rounds);
        Spent { slices_s, sent: [sent(&place.left), sent(&place.right)], rounds, messages }
    }
}

fn product(shape: &ProductShape, party: Party, place: &mut Place, input: &Input) {
    let name = step("product");
    match party {
        Party::Left => {
            let (right, (_, dealer)) = (apart(&mut place.right).0, apart(&mut place.dealer));
            let others = place.others.iter().map(|(_, seed)| ShareAtLeft::Seed(seed)).collect();
            narrow_product::left(&name, shape, right, dealer, others, input.left().into())
                .expect("left ends");
        }
        Party::Right => {
            let (left, (to_dealer, dealer)) = (apart(&mut place.left).0, apart(&mut place.dealer));
            let others = place.others.iter_mut().map(|(link, _)| ShareAtRight::Owner(link)).collect();
            narrow_product::right(&name, shape, left, to_dealer, dealer, others, input.rows().into())
                .expect("right ends");
        }
        Party::Dealer => {
            let ((_, left), (to_right, right)) = (apart(&mut place.left), apart(&mut place.right));
            narrow_product::deal(&name, shape, to_right, left.into(), right.into()).expect("dealt");
        }
        Party::Other(other) => {
            let ((_, left), (to_right, _)) = (apart(&mut place.left), apart(&mut place.right));
            shared_columns::share(&name, shape, other, to_right, left, input.rows()).expect("shared");
        }
    }
}

fn joined(shape: &JoinedShape, classes: Option<&ClassShape>, party: Party, place: &mut Place, input: &Input) {
    let (name, of_classes) = (step("joined"), step("classes"));
    match party {
        Party::Left => {
            let (right, (to_dealer, dealer)) = (apart(&mut place.right).0, apart(&mut place.dealer));
            let mut factors: Vec<Box<dyn Factor>> = Vec::new();
            for (factor, (_, seed)) in place.others.iter().enumerate() {
                let share = ShareAtLeft::Seed(seed);
                factors.push(Box::new(ColumnsAtLeft::new(&name, shape, factor, share).expect("a factor")));
            }
            if let Some(classes) = classes {
                let factor = ClassesAtLeft::new(&of_classes, classes, dealer, &[], &input.summand);
                factors.push(Box::new(factor.expect("a factor")));
            }
            let mut factors: Vec<_> =
                factors.iter_mut().map(|factor| &mut **factor as &mut dyn Factor).collect();
            joined_product::left(&name, shape, right, to_dealer, dealer, &mut factors, input.left().into())
                .expect("left ends");
        }
        Party::Right => {
            let (left, (to_dealer, dealer)) = (apart(&mut place.left).0, apart(&mut place.dealer));
            let mut factors: Vec<Box<dyn Factor + '_>> = Vec::new();
            for (factor, (link, _)) in place.others.iter_mut().enumerate() {
                let share = ShareAtRight::Owner(link);
                factors.push(Box::new(ColumnsAtRight::new(&name, shape, factor, share).expect("a factor")));
            }
            if let Some(classes) = classes {
                let factor = ClassesAtRight::new(&of_classes, classes, dealer, vec![], &input.summand);
                factors.push(Box::new(factor.expect("a factor")));
            }
            let mut factors: Vec<_> =
                factors.iter_mut().map(|factor| &mut **factor as &mut dyn Factor).collect();
            joined_product::right(&name, shape, left, to_dealer, dealer, &mut factors, input.rows().into())
                .expect("right ends");
        }
        Party::Dealer => {
            let ((to_left, left), (to_right, right)) = (apart(&mut place.left), apart(&mut place.right));
            let mut factors: Vec<Box<dyn DealtFactor>> = Vec::new();
            for _ in &place.others {
                factors.push(Box::new(DealtColumns));
            }
            if let Some(classes) = classes {
                factors
                    .push(Box::new(DealtClasses::new(&of_classes, classes, left, right).expect("a factor")));
            }
            let mut factors: Vec<_> =
                factors.iter_mut().map(|factor| &mut **factor as &mut dyn DealtFactor).collect();
            let seeds = [left, right].map(Into::into);
            let [of_left, of_right] = seeds;
            joined_product::deal(&name, shape, to_left, to_right, of_left, of_right, &mut factors)
                .expect("dealt");
        }
        Party::Other(other) => {
            let ((_, left), (to_right, _)) = (apart(&mut place.left), apart(&mut place.right));
            shared_columns::share_factor(&name, shape, other, to_right, left, input.rows()).expect("shared");
        }
    }
}

fn classes(shape: &ClassShape, party: Party, place: &mut Place, input: &Input) {
    let name = step("classes");
    let run = |mut factor: Box<dyn Factor + '_>, worker: &mut dyn Channel, dealer: &mut dyn Channel| {
        let mut share = Vec::new();
        for (index, rows) in shape.blocks() {
            factor.block(worker, dealer, index, rows, &mut share).expect("a block");
        }
    };
    match party {
        Party::Left => {
            let (right, (to_dealer, dealer)) = (apart(&mut place.right).0, apart(&mut place.dealer));
            let factor = ClassesAtLeft::new(&name, shape, dealer, &[], &input.summand);
            run(Box::new(factor.expect("a factor")), right, to_dealer);
        }
        Party::Right => {
            let (left, (to_dealer, dealer)) = (apart(&mut place.left).0, apart(&mut place.dealer));
            let factor = ClassesAtRight::new(&name, shape, dealer, vec![], &input.summand);
            run(Box::new(factor.expect("a factor")), left, to_dealer);
        }
        Party::Dealer | Party::Other(_) => {
            let ((to_left, left), (to_right, right)) = (apart(&mut place.left), apart(&mut place.right));
            let mut factor = DealtClasses::new(&name, shape, left, right).expect("a factor");
            for (index, rows) in shape.blocks() {
                factor.block(to_left, to_right, index, rows).expect("dealt");
            }
        }
    }
}

fn protect(shape: &ProtectShape, party: Party, place: &mut Place) {
    let name = step("protect");
    let run = |engine: &mut Engine<'_>| {
        let table = CellShares::zeros(shape);
        let perturbed = protect::perturb(engine, shape, &table, &[3; 16]).expect("perturbed");
        let _judged = perturbed.judge(engine, shape).expect("judged");
    };
    match party {
        Party::Left => {
            let ((to_right, right), (_, dealer)) = (apart(&mut place.right), apart(&mut place.dealer));
            run(&mut Engine::left(&name, to_right, dealer, right).expect("fresh"));
        }
        Party::Right => {
            let ((to_left, left), (to_dealer, dealer)) = (apart(&mut place.left), apart(&mut place.dealer));
            run(&mut Engine::right(&name, to_left, to_dealer, dealer, left).expect("fresh"));
        }
        Party::Dealer | Party::Other(_) => {
            let ((_, left), (to_right, right)) = (apart(&mut place.left), apart(&mut place.right));
            protect::deal(&mut Engine::dealer(&name, to_right, left, right).expect("fresh"), shape)
                .expect("dealt");
        }
    }
}

fn step(name: &str) -> StepName {
    StepName::new(name).expect("a step's name")
}

/// The seed of two parties at either of them.
fn seeds() -> (PairSeed, PairSeed) {
    let (key_a, key_b) = (EphemeralKey::generate(), EphemeralKey::generate());
    let (public_a, public_b) = (key_a.public(), key_b.public());
    (
        key_a.agree(&public_b, &SESSION, &SESSION, "a", "b").expect("a key"),
        key_b.agree(&public_a, &SESSION, &SESSION, "b", "a").expect("a key"),
    )
}

/// Two ends of a link that holds all that is sent, or a few messages.
fn link(holds_all: bool) -> (Box<dyn Channel>, Box<dyn Channel>) {
    if holds_all {
        let (a, b) = memory::pair(PATIENCE);
        return (framed(a, "a", "b"), framed(b, "b", "a"));
    }
    let (to_b, from_a) = sync_channel(MESSAGES_HELD);
    let (to_a, from_b) = sync_channel(MESSAGES_HELD);
    let (a, b) = (Bounded { to_peer: to_b, from_peer: from_b }, Bounded { to_peer: to_a, from_peer: from_a });
    (framed(a, "a", "b"), framed(b, "b", "a"))
}

fn framed(transport: impl Transport + 'static, own: &str, peer: &str) -> Box<dyn Channel> {
    Box::new(FramedChannel::new(transport, SESSION, SESSION, own, peer))
}

const PATIENCE: Duration = Duration::from_secs(600);
/// More than a party sends before it waits.
const MESSAGES_HELD: usize = 32;

/// A link in memory whose sender waits while there is no room.
struct Bounded {
    to_peer: SyncSender<(Header, Bytes)>,
    from_peer: Receiver<(Header, Bytes)>,
}

impl Transport for Bounded {
    fn send(&mut self, header: Header, body: Vec<u8>) -> Result<(), TransportError> {
        self.to_peer.send((header, Bytes::from(body))).map_err(|_| TransportError::Closed)
    }

    fn receive(&mut self) -> Result<(Header, Bytes), TransportError> {
        self.from_peer.recv_timeout(PATIENCE).map_err(|_| TransportError::TimedOut)
    }
}

/// A link that counts.
struct Counted {
    inner: Box<dyn Channel>,
    bytes: u64,
    messages: u64,
    rounds: u64,
    /// Something was sent since this end last waited.
    spoke: bool,
}

impl Counted {
    fn new(inner: Box<dyn Channel>) -> Self {
        Self { inner, bytes: 0, messages: 0, rounds: 0, spoke: false }
    }
}

impl Channel for Counted {
    fn send(
        &mut self,
        step: &StepName,
        index: u64,
        shape: &[u64],
        body: Vec<u8>,
    ) -> Result<(), ChannelError> {
        MARKS.with_borrow_mut(|marks| marks.push(cpu_seconds()));
        self.bytes += body.len() as u64;
        self.messages += 1;
        self.spoke = true;
        self.inner.send(step, index, shape, body)
    }

    fn receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError> {
        MARKS.with_borrow_mut(|marks| marks.push(cpu_seconds()));
        self.rounds += u64::from(self.spoke);
        self.spoke = false;
        self.inner.receive(step, index, shape)
    }
}

/// In the place of another party: takes everything, and sends uniform bytes. Both ways are hashed as on a link.
struct StandIn {
    pool: Bytes,
    sent: Transcript,
    received: Transcript,
}

impl StandIn {
    /// No body is longer: those of blocks and of long lists have a mebibyte at most.
    const LONGEST: usize = 1 << 20;

    fn new() -> Self {
        static POOL: OnceLock<Bytes> = OnceLock::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let word = |_| {
            // xorshift64: as good as any where nothing is to be hidden.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let words = (0..Self::LONGEST / 8).flat_map(word);
        let pool = POOL.get_or_init(|| Bytes::from(words.collect::<Vec<u8>>())).clone();
        let transcript = Transcript::start(&SESSION, &SESSION, "a", "b");
        Self { pool, sent: transcript.clone(), received: transcript }
    }

    fn header(step: &StepName, index: u64, shape: &[u64]) -> Header {
        Header {
            session: SESSION,
            attempt: SESSION,
            step: step.clone(),
            index,
            sender: "a".to_owned(),
            shape: shape.to_vec(),
            transcript: [0; 32],
        }
    }
}

impl Channel for StandIn {
    fn send(
        &mut self,
        step: &StepName,
        index: u64,
        shape: &[u64],
        body: Vec<u8>,
    ) -> Result<(), ChannelError> {
        self.sent = self.sent.after(&Self::header(step, index, shape), &body);
        Ok(())
    }

    fn receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError> {
        let length = shape.iter().product::<u64>() as usize;
        let body = self.pool.slice(..length);
        self.received = self.received.after(&Self::header(step, index, shape), &body);
        Ok(body)
    }
}
