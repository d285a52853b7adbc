//! What an attempt shows: messages and what can be computed from them, as columns of elements.

use crate::kernel::turn;
use crate::ring::Word;
use crate::testing::Seen;

/// How matrices lie in messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Column after column.
    Columns,
    /// Row after row.
    Rows,
}

/// One message, or what comes of one: a block of columns.
#[derive(Clone)]
pub(super) struct Part {
    /// Elements of each column.
    pub(super) rows: usize,
    /// Column after column.
    pub(super) bytes: Vec<u8>,
    /// In the order in which it was sent.
    pub(super) sent: Vec<u8>,
}

impl Part {
    fn new(order: Order, columns: usize, width: usize, sent: Vec<u8>) -> Self {
        let rows = sent.len() / (columns * width);
        let bytes = match order {
            Order::Columns => sent.clone(),
            Order::Rows => turned(columns, width, &sent),
        };
        Self { rows, bytes, sent }
    }
}

fn turned(columns: usize, width: usize, rows: &[u8]) -> Vec<u8> {
    let elements: Vec<&[u8]> = rows.chunks_exact(width).collect();
    let mut by_column = Vec::new();
    let places: Vec<u32> = (0..elements.len() as u32).collect();
    turn(&places, columns, &mut by_column);
    by_column.into_iter().flat_map(|place| elements[place as usize]).copied().collect()
}

/// All messages of one name on one link whose elements have one width, or what comes of them.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) name: String,
    /// Bytes of an element.
    pub(super) width: usize,
    pub(super) columns: usize,
    pub(super) parts: Vec<Part>,
    /// Whether it was sent, and not computed.
    pub(super) is_message: bool,
}

impl Piece {
    /// A column of a part.
    pub(super) fn column<'a>(&self, part: &'a Part, column: usize) -> &'a [u8] {
        let size = part.rows * self.width;
        &part.bytes[column * size..][..size]
    }

    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// Replaces the elements of a part that lies column after column.
    pub(super) fn alter<W: Word>(&mut self, part: usize, change: impl FnOnce(&mut [W])) {
        assert_eq!(self.width, W::BYTES, "elements of the ring");
        let part = &mut self.parts[part];
        let mut elements = vec![W::ZERO; part.bytes.len() / W::BYTES];
        W::decode(&part.bytes, &mut elements).expect("whole elements");
        change(&mut elements);
        part.bytes.clear();
        W::encode(&elements, &mut part.bytes);
        part.sent.clone_from(&part.bytes);
    }

    /// The elements of a part, column after column.
    pub(super) fn elements<W: Word>(&self, part: usize) -> Vec<W> {
        assert_eq!(self.width, W::BYTES, "elements of the ring");
        let mut elements = vec![W::ZERO; self.parts[part].bytes.len() / W::BYTES];
        W::decode(&self.parts[part].bytes, &mut elements).expect("whole elements");
        elements
    }
}

/// What one attempt shows.
#[derive(Clone, Default)]
pub(super) struct View {
    pub(super) pieces: Vec<Piece>,
}

impl View {
    /// Adds all that a party received on a link. The last dimension of a shape is an element's width, and those of a matrix are before it.
    pub(super) fn add_seen(&mut self, receiver: &str, seen: &[Seen], order: Order) {
        for (header, body) in seen {
            let (width, columns) = match header.shape[..] {
                [_, columns, width] => (width, columns),
                [_, width] => (width, 1),
                _ => panic!("a vector or a matrix: {}", header.step),
            };
            let name = format!("{} → {receiver} {}", header.sender, header.step);
            let part = Part::new(order, columns as usize, width as usize, body.to_vec());
            self.add(&name, width as usize, columns as usize, true, part);
        }
    }

    /// Adds elements under a name.
    fn add(&mut self, name: &str, width: usize, columns: usize, is_message: bool, part: Part) {
        if part.bytes.is_empty() {
            return;
        }
        let found = (self.pieces.iter_mut())
            .find(|piece| piece.name == name && (piece.width, piece.columns) == (width, columns));
        match found {
            Some(piece) => piece.parts.push(part),
            None => {
                let name = name.to_owned();
                self.pieces.push(Piece { name, width, columns, parts: vec![part], is_message });
            }
        }
    }

    /// Adds a message that is not one of a link.
    pub(super) fn add_message(
        &mut self,
        name: &str,
        order: Order,
        columns: usize,
        width: usize,
        body: &[u8],
    ) {
        self.add(name, width, columns, true, Part::new(order, columns, width, body.to_vec()));
    }

    /// Adds what a party can compute.
    pub(super) fn add_computed<W: Word>(&mut self, name: &str, order: Order, columns: usize, elements: &[W]) {
        let mut bytes = Vec::new();
        W::encode(elements, &mut bytes);
        self.add(name, W::BYTES, columns, false, Part::new(order, columns, W::BYTES, bytes));
    }

    /// Adds what another attempt shows, its names behind a prefix.
    pub(super) fn append(&mut self, prefix: &str, other: Self) {
        let renamed = |piece: Piece| Piece { name: format!("{prefix}{}", piece.name), ..piece };
        self.pieces.extend(other.pieces.into_iter().map(renamed));
    }

    /// The first piece whose name ends like this.
    pub(super) fn piece(&self, ending: &str) -> &Piece {
        let found = self.pieces.iter().find(|piece| piece.name.ends_with(ending));
        found.unwrap_or_else(|| panic!("no {ending} among {:?}", self.outside()))
    }

    pub(super) fn piece_mut(&mut self, ending: &str) -> &mut Piece {
        let found = self.pieces.iter_mut().find(|piece| piece.name.ends_with(ending));
        found.unwrap_or_else(|| panic!("no piece {ending}"))
    }

    /// Adds, as computed, the sums of the elements of two pieces. What they are `opened` to should be uniform, also where either is by itself.
    pub(super) fn add_sums<W: Word>(&mut self, name: &str, [one, other]: [&str; 2]) {
        let (one, other) = (self.piece(one).clone(), self.piece(other).clone());
        assert_eq!(one.parts.len(), other.parts.len(), "as many messages");
        for part in 0..one.parts.len() {
            let (mut sums, others) = (one.elements::<W>(part), other.elements::<W>(part));
            assert_eq!(sums.len(), others.len(), "messages of one size");
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum = sum.plus(other));
            self.add_computed(name, Order::Columns, one.columns, &sums);
        }
    }

    /// Names of the pieces, and their bytes.
    pub(super) fn outside(&self) -> Vec<(String, usize)> {
        let outside = |piece: &Piece| (format!("{} of {}", piece.name, piece.width), piece.bytes());
        self.pieces.iter().map(outside).collect()
    }
}
