//! AES-128 (FIPS 197) on a shared key and shared blocks, one block a lane.
//!
//! Everything but the S-box is linear over bits and costs nothing. The S-box is an inverse in GF(2⁸) and an affine
//! map. The inverse is taken in GF(16)[z]/(z² + z + λ), which is isomorphic:
//!
//! ```text
//! (a·z + b)⁻¹ = (a·z + (a + b)) · N⁻¹        N = λa² + ab + b²
//! ```
//!
//! Squares and multiples by constants are linear. That leaves, for each S-box, the product ab (9 ANDs), the inverse
//! of N in GF(16) (10 ANDs in two layers, from its algebraic normal form, of degree 3), and two products by N⁻¹
//! (18 ANDs): 37 ANDs in 4 rounds. The key schedule goes along in the same rounds on a single lane, so a whole
//! encryption is 40 rounds. The isomorphism, the matrices and the normal form are computed here, not copied.
//!
//! Sources: A. Satoh et al., "A Compact Rijndael Hardware Architecture with S-Box Optimization", ASIACRYPT 2001
//! (the tower); J. Boyar and R. Peralta, "A depth-16 circuit for the AES S-box", SEC 2012 (4 layers of ANDs).

use std::sync::LazyLock;

use crate::protocol::ProtocolError;
use crate::protocol::engine::Engine;
use crate::share::BitShare;

/// A byte on wires, least bit first.
pub type Byte = Vec<BitShare>;

/// Encrypts 16 bytes on wires (one block a lane) under 16 key bytes on wires of one lane.
///
/// # Errors
/// [`ProtocolError::Channel`].
///
/// # Panics
/// Where key and block do not have 16 bytes of 8 bits.
pub fn encrypt(engine: &mut Engine<'_>, key: &[Byte], block: &[Byte]) -> Result<Vec<Byte>, ProtocolError> {
    assert!(key.len() == 16 && block.len() == 16, "16 bytes each");
    let lanes = block[0][0].lanes();
    let mut round_key: Vec<Byte> = key.iter().map(copied).collect();
    let mut state: Vec<Byte> = block.iter().map(copied).collect();
    add_round_key(&mut state, &round_key, lanes);
    let mut round_constant = 1u8;
    for round in 1..=10 {
        // RotWord and SubWord of the key schedule ride in the same batch as SubBytes of the state.
        let substituted = {
            let inputs: Vec<&Byte> =
                state.iter().chain([13, 14, 15, 12].map(|byte| &round_key[byte])).collect();
            sub_bytes(engine, &inputs)?
        };
        let (substituted_state, key_word) = substituted.split_at(16);
        next_round_key(engine, &mut round_key, key_word, round_constant);
        round_constant = times_x(round_constant);
        // ShiftRows: byte (row, column) of the new state comes from (row, column + row).
        state = (0..16).map(|at| copied(&substituted_state[(at + 4 * (at % 4)) % 16])).collect();
        if round < 10 {
            state = state.chunks_exact(4).flat_map(mix_column).collect();
        }
        add_round_key(&mut state, &round_key, lanes);
    }
    Ok(state)
}

fn copied(byte: &Byte) -> Byte {
    byte.iter().map(BitShare::copied).collect()
}

fn xor_byte(byte: &mut Byte, other: &Byte) {
    for (bit, other) in byte.iter_mut().zip(other) {
        bit.xor_assign(other);
    }
}

fn add_round_key(state: &mut [Byte], round_key: &[Byte], lanes: usize) {
    for (byte, key) in state.iter_mut().zip(round_key) {
        for (bit, key) in byte.iter_mut().zip(key) {
            bit.xor_assign(&key.broadcast(lanes));
        }
    }
}

fn next_round_key(engine: &Engine<'_>, key: &mut [Byte], substituted: &[Byte], constant: u8) {
    for (byte, substituted) in key.iter_mut().zip(substituted) {
        xor_byte(byte, substituted);
    }
    for (place, bit) in key[0].iter_mut().enumerate() {
        bit.xor_assign(&engine.constant(1, constant >> place & 1 == 1));
    }
    for at in 4..16 {
        let (before, from) = key.split_at_mut(at);
        xor_byte(&mut from[0], &before[at - 4]);
    }
}

/// MixColumns of one column: each byte is 2·own + 3·next + the two others.
fn mix_column(column: &[Byte]) -> Vec<Byte> {
    let doubled: Vec<Byte> = column
        .iter()
        .map(|byte| (0..8).map(|place| xor_of(byte, rows_of(times_x)[place])).collect())
        .collect();
    let mixed = |row: usize| {
        let mut byte = copied(&doubled[row]);
        xor_byte(&mut byte, &doubled[(row + 1) % 4]);
        for other in 1..4 {
            xor_byte(&mut byte, &column[(row + other) % 4]);
        }
        byte
    };
    (0..4).map(mixed).collect()
}

/// S-boxes of many bytes, of whatever lanes, in four rounds.
fn sub_bytes(engine: &mut Engine<'_>, bytes: &[&Byte]) -> Result<Vec<Byte>, ProtocolError> {
    let maps = &*SBOX;
    let tower: Vec<Byte> =
        bytes.iter().map(|byte| maps.into_tower.iter().map(|row| xor_of(byte, *row)).collect()).collect();

    // Round 1: ab, and from it N.
    let halves: Vec<(&[BitShare], &[BitShare])> = tower.iter().map(|byte| (&byte[4..], &byte[..4])).collect();
    let products = multiply_nibbles(engine, &halves)?;
    let norms: Vec<Vec<BitShare>> = products
        .into_iter()
        .zip(&halves)
        .map(|(mut norm, (a, b))| {
            for (place, bit) in norm.iter_mut().enumerate() {
                bit.xor_assign(&xor_of(a, maps.lambda_square[place]));
                bit.xor_assign(&xor_of(b, maps.square[place]));
            }
            norm
        })
        .collect();

    // Rounds 2 and 3: the inverse of N.
    let inverses = invert_nibbles(engine, &norms)?;

    // Round 4: both halves of the result.
    let sums: Vec<Vec<BitShare>> =
        halves.iter().map(|(a, b)| a.iter().zip(*b).map(|(a, b)| a.xor(b)).collect()).collect();
    let factors: Vec<(&[BitShare], &[BitShare])> = (halves.iter().zip(&inverses))
        .flat_map(|((a, _), inverse)| [(*a, inverse.as_slice())])
        .chain(sums.iter().zip(&inverses).map(|(sum, inverse)| (sum.as_slice(), inverse.as_slice())))
        .collect();
    let products = multiply_nibbles(engine, &factors)?;
    let (high, low) = products.split_at(bytes.len());
    let substituted = |(high, low): (&Vec<BitShare>, &Vec<BitShare>)| {
        let inverse: Vec<&BitShare> = low.iter().chain(high).collect();
        let bit = |(place, row): (usize, &u8)| {
            let mut bit = engine.constant(inverse[0].lanes(), AFFINE_CONSTANT >> place & 1 == 1);
            for (at, other) in inverse.iter().enumerate() {
                if row >> at & 1 == 1 {
                    bit.xor_assign(other);
                }
            }
            bit
        };
        maps.out_of_tower.iter().enumerate().map(bit).collect()
    };
    Ok(high.iter().zip(low).map(substituted).collect())
}

/// Products in GF(16), by Karatsuba's method on two levels: nine ANDs each, one round.
fn multiply_nibbles(
    engine: &mut Engine<'_>,
    factors: &[(&[BitShare], &[BitShare])],
) -> Result<Vec<Vec<BitShare>>, ProtocolError> {
    // Which coefficients enter each of the nine factors.
    const SUBSETS: [u8; 9] = [0b0001, 0b0010, 0b0011, 0b0100, 0b1000, 0b1100, 0b0101, 0b1010, 0b1111];
    let sums: Vec<(Vec<BitShare>, Vec<BitShare>)> = factors
        .iter()
        .map(|(a, b)| {
            let of = |nibble: &[BitShare]| SUBSETS.map(|subset| xor_of(nibble, subset)).into_iter().collect();
            (of(a), of(b))
        })
        .collect();
    let gates: Vec<_> = sums.iter().flat_map(|(a, b)| a.iter().zip(b)).collect();
    let products = engine.and(&gates)?;
    let nibble = |p: &[BitShare]| {
        // Products of the low halves, the high halves and the sums of halves, each of degree 2.
        let parts = [0, 3, 6].map(|at| {
            let middle = p[at].xor(&p[at + 1]).xor(&p[at + 2]);
            [p[at].copied(), middle, p[at + 1].copied()]
        });
        let mut coefficients: Vec<BitShare> = (0..7).map(|_| BitShare::zeros(p[0].lanes())).collect();
        for place in 0..3 {
            let [low, high, both] = [0, 1, 2].map(|part| &parts[part][place]);
            coefficients[place].xor_assign(low);
            coefficients[place + 4].xor_assign(high);
            coefficients[place + 2].xor_assign(&both.xor(low).xor(high));
        }
        // y⁴ = y + 1.
        for place in (4..7).rev() {
            let top = coefficients.pop().expect("seven coefficients");
            coefficients[place - 4].xor_assign(&top);
            coefficients[place - 3].xor_assign(&top);
        }
        coefficients
    };
    Ok(products.chunks_exact(9).map(nibble).collect())
}

/// Inverses in GF(16), 0 to 0: products of two bits in one round, of three in the next, the rest linear.
fn invert_nibbles(
    engine: &mut Engine<'_>,
    nibbles: &[Vec<BitShare>],
) -> Result<Vec<Vec<BitShare>>, ProtocolError> {
    const PAIRS: [(usize, usize); 6] = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    // A pair's product (by its place in PAIRS) times one more bit.
    const TRIPLES: [(usize, usize); 4] = [(0, 2), (0, 3), (1, 3), (3, 3)];
    let gates: Vec<_> =
        nibbles.iter().flat_map(|x| PAIRS.iter().map(move |(i, j)| (&x[*i], &x[*j]))).collect();
    let pairs = engine.and(&gates)?;
    let gates: Vec<_> = (nibbles.iter().zip(pairs.chunks_exact(6)))
        .flat_map(|(x, pairs)| TRIPLES.iter().map(move |(pair, i)| (&pairs[*pair], &x[*i])))
        .collect();
    let triples = engine.and(&gates)?;
    let inverse = |((x, pairs), triples): ((&Vec<BitShare>, &[BitShare]), &[BitShare])| {
        let bit = |place: usize| {
            let mut bit = BitShare::zeros(x[0].lanes());
            let mut add = |monomial: usize, wire: &BitShare| {
                if SBOX.inverse_form[monomial] >> place & 1 == 1 {
                    bit.xor_assign(wire);
                }
            };
            for (i, wire) in x.iter().enumerate() {
                add(1 << i, wire);
            }
            for ((i, j), wire) in PAIRS.iter().zip(pairs) {
                add(1 << i | 1 << j, wire);
            }
            for ((pair, k), wire) in TRIPLES.iter().zip(triples) {
                let (i, j) = PAIRS[*pair];
                add(1 << i | 1 << j | 1 << k, wire);
            }
            bit
        };
        (0..4).map(bit).collect()
    };
    Ok(nibbles.iter().zip(pairs.chunks_exact(6)).zip(triples.chunks_exact(4)).map(inverse).collect())
}

/// XOR of those wires whose place is set in the mask: one row of a matrix over bits.
fn xor_of(wires: &[BitShare], mask: u8) -> BitShare {
    let mut sum = BitShare::zeros(wires[0].lanes());
    for (place, wire) in wires.iter().enumerate() {
        if mask >> place & 1 == 1 {
            sum.xor_assign(wire);
        }
    }
    sum
}

// The public maps of the S-box, computed once.

/// The constant of the S-box's affine map (FIPS 197, section 5.1.1).
const AFFINE_CONSTANT: u8 = 0x63;

struct SboxMaps {
    /// GF(2⁸) of AES → tower: one row of bits for each bit of the image (low nibble b, high nibble a).
    into_tower: [u8; 8],
    /// The affine map of the S-box after tower → GF(2⁸), without its constant.
    out_of_tower: [u8; 8],
    /// b → b² in GF(16), four rows.
    square: [u8; 8],
    /// a → λa² in GF(16), four rows.
    lambda_square: [u8; 8],
    /// Algebraic normal form of the inverse in GF(16): for each monomial (a set of variables as a mask), the output
    /// bits that have it.
    inverse_form: [u8; 16],
}

static SBOX: LazyLock<SboxMaps> = LazyLock::new(|| {
    // λ for which z² + z + λ has no root, so that the tower is a field.
    let lambda = (1..16)
        .find(|lambda| (0..16).all(|z| nibble_times(z, z) ^ z ^ lambda != 0))
        .expect("half of all λ do");
    // An element of the tower that satisfies AES's polynomial x⁸ + x⁴ + x³ + x + 1: the image of x.
    let image_of_x = (2..=255)
        .find(|t| [8, 4, 3, 1, 0].iter().fold(0, |sum, power| sum ^ tower_power(*t, *power, lambda)) == 0)
        .expect("fields of one size are isomorphic");
    let into = |byte: u8| {
        (0..8)
            .filter(|place| byte >> place & 1 == 1)
            .fold(0, |sum, place| sum ^ tower_power(image_of_x, place, lambda))
    };
    let mut back = [0u8; 256];
    for byte in 0..=255 {
        back[into(byte) as usize] = byte;
    }
    let affine = |x: u8| (0..5).fold(0, |sum, turn| sum ^ x.rotate_left(turn));
    // Möbius transform: the coefficient of a monomial is the XOR of the values on all its subsets.
    let mut inverse_form = [0u8; 16];
    for monomial in 0..16u8 {
        inverse_form[monomial as usize] = (0..16)
            .filter(|subset| subset & monomial == *subset)
            .fold(0, |sum, subset| sum ^ nibble_inverse(subset));
    }
    SboxMaps {
        into_tower: rows_of(into),
        out_of_tower: rows_of(|tower| affine(back[tower as usize])),
        square: rows_of(|b| nibble_times(b & 15, b & 15)),
        lambda_square: rows_of(|a| nibble_times(lambda, nibble_times(a & 15, a & 15))),
        inverse_form,
    }
});

/// The rows of a linear map on bytes: bit `column` of row `place` says whether input bit `column` enters output bit
/// `place`.
fn rows_of(map: impl Fn(u8) -> u8) -> [u8; 8] {
    let mut rows = [0; 8];
    for column in 0..8 {
        let image = map(1 << column);
        for (place, row) in rows.iter_mut().enumerate() {
            *row |= (image >> place & 1) << column;
        }
    }
    rows
}

/// Multiplication by x in AES's GF(2⁸).
fn times_x(byte: u8) -> u8 {
    (byte << 1) ^ ((byte >> 7) * 0x1b)
}

/// Multiplication in GF(16) = GF(2)[y]/(y⁴ + y + 1).
fn nibble_times(a: u8, b: u8) -> u8 {
    let mut product = (0..4).filter(|place| b >> place & 1 == 1).fold(0, |sum, place| sum ^ a << place);
    for place in [6, 5, 4] {
        if product >> place & 1 == 1 {
            product ^= 0b1_0011 << (place - 4);
        }
    }
    product
}

fn nibble_inverse(a: u8) -> u8 {
    (0..16).find(|b| nibble_times(a, *b) == 1).unwrap_or(0)
}

/// Multiplication in GF(16)[z]/(z² + z + λ), the coefficient of z in the high nibble.
fn tower_times(x: u8, y: u8, lambda: u8) -> u8 {
    let ((a, b), (c, d)) = ((x >> 4, x & 15), (y >> 4, y & 15));
    let ac = nibble_times(a, c);
    let high = ac ^ nibble_times(a, d) ^ nibble_times(b, c);
    let low = nibble_times(ac, lambda) ^ nibble_times(b, d);
    high << 4 | low
}

fn tower_power(x: u8, power: u32, lambda: u8) -> u8 {
    (0..power).fold(1, |product, _| tower_times(product, x, lambda))
}

#[cfg(test)]
mod tests {
    use ::aes::Aes128;
    use ::aes::cipher::{BlockCipherEncrypt, KeyInit};

    use super::*;
    use crate::roles::Role;
    use crate::testing::{Dice, circuit, numbers};

    /// Encrypts blocks that are the XOR of what left and right enter, under a key that is too.
    fn encrypt_shared(keys: [[u8; 16]; 2], blocks: &[[[u8; 16]; 2]]) -> (Vec<[u8; 16]>, u64) {
        let ran = circuit(|engine| {
            let enter = |values: &dyn Fn(usize, usize) -> Vec<u64>, lanes: usize| -> Vec<Byte> {
                let byte = |at: usize| {
                    let left = engine.private_bits(Role::Left, values(0, at).into_iter(), lanes, 8);
                    let right = engine.private_bits(Role::Right, values(1, at).into_iter(), lanes, 8);
                    left.iter().zip(&right).map(|(left, right)| left.xor(right)).collect()
                };
                (0..16).map(byte).collect()
            };
            let key = enter(&|side, at| vec![u64::from(keys[side][at])], 1);
            let block = enter(
                &|side, at| blocks.iter().map(|block| u64::from(block[side][at])).collect(),
                blocks.len(),
            );
            Ok((encrypt(engine, &key, &block)?, engine.messages().0))
        });
        let bytes: Vec<_> =
            ran.left.0.iter().zip(&ran.right.0).map(|(left, right)| numbers(left, right)).collect();
        let block = |lane: usize| std::array::from_fn(|at| bytes[at][lane] as u8);
        ((0..blocks.len()).map(block).collect(), ran.left.1)
    }

    #[test]
    fn the_examples_of_fips_197_come_out() {
        // Appendix B.
        let key =
            [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let block =
            [0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34];
        let expected =
            [0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32];
        let (out, rounds) = encrypt_shared([key, [0; 16]], &[[[0; 16], block]]);
        assert_eq!(out, [expected]);
        assert_eq!(rounds, 40);
        // Appendix C.1.
        let key = std::array::from_fn(|at| at as u8);
        let block = std::array::from_fn(|at| (at * 0x11) as u8);
        let expected =
            [0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a];
        assert_eq!(encrypt_shared([[0; 16], key], &[[block, [0; 16]]]).0, [expected]);
    }

    #[test]
    fn the_vectors_of_sp_800_38a_come_out_in_one_batch() {
        // Appendix F.1.1, ECB-AES128.Encrypt: 2b7e…4f3c and four blocks.
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        let vectors: [(u128, u128); 4] = [
            (0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a, 0x3ad7_7bb4_0d7a_3660_a89e_caf3_2466_ef97),
            (0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51, 0xf5d3_d585_03b9_699d_e785_895a_96fd_baaf),
            (0x30c8_1c46_a35c_e411_e5fb_c119_1a0a_52ef, 0x43b1_cd7f_598e_ce23_881b_00e3_ed03_0688),
            (0xf69f_2445_df4f_9b17_ad2b_417b_e66c_3710, 0x7b0c_785e_27e8_ad3f_8223_2071_0472_5dd4),
        ];
        // Key and blocks are split differently between the two that enter them.
        let mask = 0x0123_4567_89ab_cdef_0246_8ace_1357_9bdf_u128.to_be_bytes();
        let split = |block: [u8; 16]| [mask, std::array::from_fn(|at| block[at] ^ mask[at])];
        let blocks: Vec<[[u8; 16]; 2]> =
            vectors.iter().map(|(block, _)| split(block.to_be_bytes())).collect();
        let expected: Vec<[u8; 16]> = vectors.iter().map(|(_, cipher)| cipher.to_be_bytes()).collect();
        assert_eq!(encrypt_shared(split(key), &blocks).0, expected);
    }

    #[test]
    fn rings_block_cipher_begins_as_ours_does() {
        use ring::aead::quic::{AES_128, HeaderProtectionKey};

        // Header protection of QUIC (RFC 9001, section 5.4.3) is the one place where `ring` shows AES of a block: its first five bytes.
        let mut dice = Dice::seeded(38);
        let mut bytes = || std::array::from_fn::<u8, 16, _>(|_| dice.next() as u8);
        for _ in 0..3 {
            let keys = [bytes(), bytes()];
            let blocks: Vec<[[u8; 16]; 2]> = (0..40).map(|_| [bytes(), bytes()]).collect();
            let xor = |[a, b]: [[u8; 16]; 2]| std::array::from_fn::<u8, 16, _>(|at| a[at] ^ b[at]);
            let cipher = HeaderProtectionKey::new(&AES_128, &xor(keys)).expect("sixteen bytes");
            let masks = blocks.iter().map(|block| cipher.new_mask(&xor(*block)).expect("sixteen bytes"));
            let ours = encrypt_shared(keys, &blocks).0;
            assert!(ours.iter().zip(masks).all(|(ours, mask)| ours[..5] == mask));
        }
    }

    #[test]
    fn random_shared_blocks_are_encrypted_as_the_aes_crate_does() {
        let mut dice = Dice::seeded(11);
        let mut bytes = || std::array::from_fn::<u8, 16, _>(|_| dice.next() as u8);
        let xor = |[a, b]: [[u8; 16]; 2]| std::array::from_fn::<u8, 16, _>(|at| a[at] ^ b[at]);
        let keys = [bytes(), bytes()];
        let blocks: Vec<[[u8; 16]; 2]> = (0..150).map(|_| [bytes(), bytes()]).collect();
        let cipher = Aes128::new(&xor(keys).into());
        let expected: Vec<[u8; 16]> = blocks
            .iter()
            .map(|block| {
                let mut block = xor(*block).into();
                cipher.encrypt_block(&mut block);
                block.into()
            })
            .collect();
        assert_eq!(encrypt_shared(keys, &blocks).0, expected);
    }
}
