//! Signed notes: a text, a blank line, and lines that sign the text. <https://c2sp.org/signed-note>
//!
//! Read in the one form in which they are written. Whose signatures they are, and over what, is for others: [`crate::checkpoint`]
//! and [`crate::cosignature`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kobling_model::Hash;

/// What a line that signs begins with.
const DASH: &str = "\u{2014} ";

/// A note, with all its signatures.
pub(crate) struct Note<'a> {
    /// What is signed, with its last line feed.
    pub text: &'a str,
    /// Not verified.
    pub signatures: Vec<NoteSignature<'a>>,
}

/// A line that signs.
pub(crate) struct NoteSignature<'a> {
    /// The line, without its line feed.
    pub line: &'a str,
    /// Name of the key.
    pub name: &'a str,
    /// Which key of this name.
    pub key_hash: [u8; 4],
    /// What the kind of key asks for.
    pub signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let note = std::str::from_utf8(bytes).ok()?;
        let (before, lines) = note.rsplit_once("\n\n")?;
        let text = &note[..=before.len()];
        Some(Self { text, signatures: signature_lines(lines)? })
    }
}

/// Reads lines that sign, each with its line feed, at least one.
pub(crate) fn signature_lines(lines: &str) -> Option<Vec<NoteSignature<'_>>> {
    lines.strip_suffix('\n')?.split('\n').map(NoteSignature::read).collect()
}

impl<'a> NoteSignature<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (name, signed) = line.strip_prefix(DASH)?.split_once(' ')?;
        let signed = BASE64.decode(signed).ok()?;
        let (key_hash, signature) = signed.split_at_checked(4)?;
        Some(Self { line, name, key_hash: key_hash.try_into().ok()?, signature: signature.to_vec() })
    }
}

/// A line that signs, with its line feed.
pub(crate) fn signature_line(name: &str, key_hash: [u8; 4], signature: &[u8]) -> String {
    format!("{DASH}{name} {}\n", BASE64.encode([&key_hash, signature].concat()))
}

/// First four bytes of SHA-256 of name, line feed, kind and key.
pub(crate) fn key_hash(name: &str, kind: u8, key: &[u8; 32]) -> [u8; 4] {
    let hash = Hash::of(&[name.as_bytes(), b"\n", &[kind], key].concat());
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_split_at_its_last_blank_line() {
        let line = signature_line("a/b", [1, 2, 3, 4], b"signed");
        let text = format!("one\n\ntwo\n\n{line}{line}");
        let note = Note::read(text.as_bytes()).expect("a note");
        assert_eq!((note.text, note.signatures.len()), ("one\n\ntwo\n", 2));
        let [signature, _] = &note.signatures[..] else { panic!("two") };
        assert_eq!((signature.name, signature.key_hash), ("a/b", [1, 2, 3, 4]));
        assert_eq!((&signature.signature[..], format!("{}\n", signature.line)), (&b"signed"[..], line));
    }

    #[test]
    fn what_is_not_in_the_form_of_a_note_is_none() {
        let line = signature_line("a/b", [1, 2, 3, 4], b"signed");
        for bad in [
            "".to_owned(),
            "one\n".to_owned(),
            "one\n\n".to_owned(),
            format!("one\n{line}"),
            format!("one\n\n{}", line.trim_end()),
            format!("one\n\n{line}\n"),
            format!("one\n\n{}", line.replace('\u{2014}', "-")),
            format!("one\n\n{}", line.replace("a/b ", "a/b")),
            "one\n\n\u{2014} a/b AAA=\n".to_owned(),
            "one\n\n\u{2014} a/b AAAA AAAA\n".to_owned(),
        ] {
            assert!(Note::read(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(Note::read(b"\xff\n\n").is_none());
    }
}
