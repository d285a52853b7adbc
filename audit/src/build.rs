//! Which build of the program runs: what its party records when it starts.

use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;

use kobling_model::Hash;
use ring::digest::{Context, SHA256};

/// SHA-256 of the program file of this process, as it was when the process began; none where the system does not show it. Reads the
/// file once.
pub fn running() -> Option<Hash> {
    static BUILD: OnceLock<Option<Hash>> = OnceLock::new();
    // The name leads to the file that runs, also where another has taken its place since.
    *BUILD.get_or_init(|| File::open("/proc/self/exe").and_then(hash_of).ok())
}

fn hash_of(mut file: impl Read) -> io::Result<Hash> {
    let mut context = Context::new(&SHA256);
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(Hash(context.finish().as_ref().try_into().expect("32 bytes"))),
            read => context.update(&bytes[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_known_by_its_whole_file() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
        assert_eq!(hash_of(&bytes[..]).expect("read"), Hash::of(&bytes));
        let this = std::env::current_exe().and_then(std::fs::read).expect("this program");
        assert_eq!(running(), Some(Hash::of(&this)));
    }
}
