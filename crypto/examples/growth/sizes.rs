//! What is measured: each operator in small sizes, and in the largest.
//!
//! Small sizes have few rows and categories, with and without values, so that each term of a formula counts in some of them.

use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::joined_product::JoinedShape;
use kobling_crypto::protocol::narrow_product::{OwnerShape, ProductShape};

use super::common::{Case, Party, owner, protection};

const LARGE_ROWS: usize = 1 << 20;
/// Three limbs of 21 bits, and the contribution.
const WAGES: &[u8] = &[7, 7, 7, 6];

/// A protocol in small sizes and in the largest.
pub struct Operator {
    pub name: &'static str,
    pub small: Vec<Size>,
    pub large: Vec<Size>,
    /// The parties whose costs are fitted.
    pub parties: Vec<(&'static str, Party)>,
}

/// One size, with a name.
pub struct Size {
    pub name: String,
    pub case: Case,
}

impl Operator {
    /// The small ones first.
    pub fn sizes(&self) -> Vec<&Size> {
        self.small.iter().chain(&self.large).collect()
    }
}

pub fn operators() -> Vec<Operator> {
    let workers = || vec![("left", Party::Left), ("right", Party::Right), ("dealer", Party::Dealer)];
    let operator = |name, [small, large]: [Vec<Size>; 2]| Operator { name, small, large, parties: workers() };
    let protect = |name, values| {
        let size = |cells: &usize| Size {
            name: format!("{cells} cells"),
            case: Case::Protection(protection(*cells, values)),
        };
        let small = [1, 64, 128, 256, 384, 512, 768, 1000, 1300, 1600, 2000].iter().map(size).collect();
        operator(name, [small, vec![size(&10_000)]])
    };
    vec![
        operator("narrow_product", narrow_sizes()),
        operator("joined_product", joined_sizes()),
        operator("classes", class_sizes()),
        operator("joined_with_classes", joined_class_sizes()),
        Operator { parties: vec![("owner", Party::Other(0))], ..operator("shared_columns", shared_sizes()) },
        protect("protect", false),
        protect("protect_sums", true),
    ]
}

/// Categories of an owner, and whether it has values.
type Of = (usize, bool);

fn of((categories, has_values): Of) -> OwnerShape {
    owner(categories, if has_values { WAGES } else { &[] })
}

/// The name of a product's size: categories, and a mean where its owner has one.
fn size_name(rows: usize, owners: &[Of]) -> String {
    let of =
        |(categories, has_values): &Of| format!("{categories}{}", if *has_values { " (mean)" } else { "" });
    format!("2^{} rows, {}", rows.ilog2(), owners.iter().map(of).collect::<Vec<_>>().join(" × "))
}

/// Shapes with few rows and with more in turn, and large ones.
fn by_rows<T>(
    small: &[T],
    rows: [usize; 2],
    large: &[T],
    size: impl Fn(usize, &T) -> Size,
) -> [Vec<Size>; 2] {
    let small = small.iter().zip(rows.into_iter().cycle()).map(|(shape, rows)| size(rows, shape)).collect();
    [small, large.iter().map(|shape| size(LARGE_ROWS, shape)).collect()]
}

fn narrow_sizes() -> [Vec<Size>; 2] {
    let size = |rows: usize, owners: &Vec<Of>| {
        let others = owners[2..].iter().map(|owner| of(*owner)).collect();
        let shape = ProductShape::new(rows, of(owners[0]), of(owners[1]), others);
        Size { name: size_name(rows, owners), case: Case::Product(shape) }
    };
    let plain = |categories: &[usize]| categories.iter().map(|count| (*count, false)).collect::<Vec<Of>>();
    // The owner at this place has a mean.
    let mean = |at: usize, categories: &[usize]| {
        let owners = categories.iter().enumerate();
        owners.map(|(place, count)| (*count, place == at)).collect::<Vec<Of>>()
    };
    let small = [
        plain(&[2, 2]),
        plain(&[8, 4]),
        plain(&[4, 16]),
        plain(&[16, 8]),
        plain(&[12, 16]),
        plain(&[8, 32]),
        plain(&[16, 24]),
        plain(&[14, 28]),
        mean(0, &[2, 4]),
        mean(0, &[8, 8]),
        mean(0, &[6, 16]),
        mean(1, &[4, 4]),
        mean(1, &[8, 12]),
        plain(&[2, 2, 2]),
        plain(&[4, 8, 3]),
        plain(&[8, 12, 2]),
        mean(0, &[4, 8, 2]),
        mean(0, &[6, 12, 2]),
        mean(2, &[4, 8, 2]),
        mean(2, &[6, 10, 2]),
        plain(&[2, 2, 2, 2]),
        plain(&[5, 3, 3, 2]),
    ];
    let large = [
        plain(&[10, 20]),
        plain(&[22, 40]),
        mean(0, &[10, 20]),
        mean(0, &[10, 20, 3]),
        mean(2, &[10, 20, 3]),
        plain(&[10, 5, 3, 2]),
    ];
    by_rows(&small, [1 << 14, 1 << 16], &large, size)
}

fn joined_sizes() -> [Vec<Size>; 2] {
    // Left, whether it has a mean, right if it is not everyone, and factors.
    type Owners = (usize, bool, Option<usize>, &'static [usize]);
    let size = |rows: usize, (left, has_mean, right, factors): &Owners| {
        let owners: Vec<Of> = [(*left, *has_mean)]
            .into_iter()
            .chain(right.iter().chain(*factors).map(|count| (*count, false)))
            .collect();
        let everyone = if right.is_none() { ", right is everyone" } else { "" };
        let factors = factors.iter().map(|count| owner(*count, &[])).collect();
        let of_right = owner(right.unwrap_or(1), &[]);
        let shape = JoinedShape::new(rows, of(owners[0]), of_right, right.is_none(), factors);
        Size { name: format!("{}{everyone}", size_name(rows, &owners)), case: Case::Joined(shape, None) }
    };
    let small: [Owners; 18] = [
        (1, false, None, &[8]),
        (4, false, None, &[16]),
        (8, false, None, &[40]),
        (6, false, None, &[30]),
        (4, true, None, &[8]),
        (3, true, None, &[40]),
        (1, false, Some(4), &[8]),
        (3, false, Some(4), &[20]),
        (1, false, Some(8), &[40]),
        (2, false, Some(8), &[30]),
        (1, true, Some(8), &[16]),
        (2, true, Some(5), &[30]),
        (1, false, Some(4), &[2, 8]),
        (2, false, Some(4), &[3, 12]),
        (2, true, Some(2), &[3, 16]),
        (2, false, Some(4), &[3, 30]),
        (1, true, Some(4), &[3, 30]),
        (2, true, Some(4), &[3, 30]),
    ];
    let large: [Owners; 3] =
        [(1, false, Some(10), &[62]), (10, false, None, &[62]), (2, true, Some(5), &[3, 62])];
    by_rows(&small, [1 << 14, 1 << 16], &large, size)
}

/// Factors of a joined product, as their owner sees it.
fn shared_sizes() -> [Vec<Size>; 2] {
    let size = |rows: usize, factor: &Of| {
        let shape = JoinedShape::new(rows, owner(1, &[]), owner(2, &[]), false, vec![of(*factor)]);
        Size { name: size_name(rows, &[*factor]), case: Case::Joined(shape, None) }
    };
    let small =
        [(2, false), (3, false), (8, false), (16, false), (32, false), (2, true), (4, true), (8, true)];
    by_rows(&small, [1 << 15, 1 << 17], &[(3, true), (62, false)], size)
}

/// Bits and borders of classes.
type Borders = (u32, u32);
const FEW_BORDERS: [Borders; 10] =
    [(6, 1), (6, 12), (8, 4), (8, 20), (10, 8), (12, 1), (12, 16), (12, 30), (14, 6), (14, 24)];

/// Borders all over the domain.
fn class_shape(rows: usize, block_rows: usize, (bits, borders): Borders) -> ClassShape {
    let apart = (1 << bits) / (borders + 1);
    let borders: Vec<u32> = (1..=borders).map(|border| border * apart).collect();
    let kept = (0..=borders.len()).collect();
    ClassShape::new(rows, block_rows, bits, borders, kept, 0)
}

fn class_sizes() -> [Vec<Size>; 2] {
    let size = |rows: usize, of: &Borders| {
        let name = format!("2^{} rows, {} bits, {} borders", rows.ilog2(), of.0, of.1);
        Size { name, case: Case::Classes(class_shape(rows, ProductShape::BLOCK_ROWS, *of)) }
    };
    by_rows(&FEW_BORDERS, [1 << 14, 1 << 15], &[(20, 61)], size)
}

/// A factor of classes in a product with right's categories.
fn joined_class_sizes() -> [Vec<Size>; 2] {
    let size = |rows: usize, (right, of): &(usize, Borders)| {
        let factors = vec![owner(of.1 as usize + 1, &[])];
        let shape = JoinedShape::new(rows, owner(1, &[]), owner(*right, &[]), false, factors);
        let classes = class_shape(rows, shape.block_rows, *of);
        let name = format!("2^{} rows, 1 × {right} × {} classes of {} bits", rows.ilog2(), of.1 + 1, of.0);
        Size { name, case: Case::Joined(shape, Some(classes)) }
    };
    let small: Vec<_> = [2, 4, 8, 4, 10, 2, 6, 8, 10, 4].into_iter().zip(FEW_BORDERS).collect();
    by_rows(&small, [1 << 14, 1 << 15], &[(10, (20, 61))], size)
}
