//! Records that only auditors can read: encrypted to their public keys, in the format of age (<https://c2sp.org/age>, X25519).
//!
//! What a question is about can name rare people, and who asked it is nobody's business but the auditors'. So the records of
//! questions and requests are sealed where their party names auditors; what the operator did is not, since whoever verifies the tree must
//! see which records were erased. A sealed record can be opened by each of the auditors alone, and by nobody else, its own
//! party included. Programs that are not ours open it too: `age -d -i KEY`.
//!
//! What is sealed is the line of the record as it would stand in clear, without its line break, then line breaks up to a multiple of
//! [`PADDED_TO`] bytes: its length says little. The leaf commits to the record as in clear, and to the sealed bytes: both without a key.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};

/// Sealed lines are as long as a multiple of so many bytes.
const PADDED_TO: usize = 256;

/// The auditors who can read a party's records: one or more public keys.
#[derive(Clone)]
pub struct Auditors(Vec<Recipient>);

/// The text is no public key of an auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a public key of an auditor, which begins with age1")]
pub struct NotAnAuditor;

impl Auditors {
    /// Reads public keys. None where there are none: records then lie in clear.
    ///
    /// # Errors
    /// [`NotAnAuditor`].
    pub fn read(keys: &[String]) -> Result<Option<Self>, NotAnAuditor> {
        let keys = keys.iter().map(|key| Recipient::from_str(key).map_err(|_| NotAnAuditor));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        Ok((!keys.is_empty()).then_some(Self(keys)))
    }

    /// Seals a line without its line break.
    pub(crate) fn seal(&self, line: &[u8]) -> io::Result<Vec<u8>> {
        let padded = padded(line);
        let recipients = self.0.iter().map(|key| key as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed)?;
        writer.write_all(&padded)?;
        writer.finish()?;
        Ok(sealed)
    }
}

fn padded(line: &[u8]) -> Vec<u8> {
    let mut padded = line.to_vec();
    padded.resize(line.len().next_multiple_of(PADDED_TO), b'\n');
    padded
}

impl fmt::Debug for Auditors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

impl PartialEq for Auditors {
    fn eq(&self, other: &Self) -> bool {
        let texts = |keys: &Self| keys.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        texts(self) == texts(other)
    }
}

/// An auditor's own key, which opens what is sealed to its public part.
pub struct AuditorKey(Identity);

/// The text holds no auditor's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holds no auditor's key, which begins with AGE-SECRET-KEY-1")]
pub struct NotAnAuditorsKey;

impl AuditorKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(Identity::generate())
    }

    /// Reads a key as `age-keygen` and [`Self::text`] write it: lines that begin with `#` say what they like.
    ///
    /// # Errors
    /// [`NotAnAuditorsKey`].
    pub fn read(text: &str) -> Result<Self, NotAnAuditorsKey> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        line.and_then(|line| Identity::from_str(line).ok()).map(Self).ok_or(NotAnAuditorsKey)
    }

    /// The text of a file that holds it. A secret.
    pub fn text(&self) -> String {
        format!("# public key: {}\n{}\n", self.public(), self.0.to_string().expose_secret())
    }

    /// The public part.
    pub fn public(&self) -> String {
        self.0.to_public().to_string()
    }
}

/// Opens a line with the first of these keys that does; nothing where none does.
pub(crate) fn open(keys: &[AuditorKey], sealed: &[u8]) -> Option<Vec<u8>> {
    let decryptor = age::Decryptor::new(sealed).ok()?;
    let mut reader = decryptor.decrypt(keys.iter().map(|key| &key.0 as &dyn age::Identity)).ok()?;
    let mut padded = Vec::new();
    reader.read_to_end(&mut padded).ok()?;
    let line = padded.len() - padded.iter().rev().take_while(|byte| **byte == b'\n').count();
    padded.truncate(line);
    Some(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auditors(keys: &[&AuditorKey]) -> Auditors {
        let keys: Vec<String> = keys.iter().map(|key| key.public()).collect();
        Auditors::read(&keys).expect("keys").expect("some")
    }

    #[test]
    fn each_auditor_alone_opens_what_is_sealed_and_nobody_else() {
        let [one, two, other] = [(); 3].map(|()| AuditorKey::generate());
        let sealed = auditors(&[&one, &two]).seal(b"line").expect("sealed");
        let opened = |key: &AuditorKey| open(&[AuditorKey::read(&key.text()).expect("a key")], &sealed);
        assert_eq!((opened(&one), opened(&two)), (Some(b"line".to_vec()), Some(b"line".to_vec())));
        assert_eq!(opened(&other), None);
        assert_eq!(open(&[], &sealed), None);
        assert_eq!(open(&[other, one], &sealed), Some(b"line".to_vec()));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&[AuditorKey::read(&two.text()).expect("a key")], &changed), None, "byte {at}");
        }
    }

    #[test]
    fn lengths_say_little_and_the_same_line_is_never_sealed_to_the_same_bytes() {
        let key = AuditorKey::generate();
        let seal = || auditors(&[&key]).seal(b"line").expect("sealed");
        assert_ne!(seal(), seal());
        let length = |line: usize| padded(&vec![b'a'; line]).len();
        assert_eq!([1, 200, 256, 257].map(length), [256, 256, 256, 512]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(Auditors::read(&[]), Ok(None));
        let key = AuditorKey::generate();
        for bad in ["", "age1", "ssh-ed25519 AAAA", &key.text()] {
            assert_eq!(Auditors::read(&[key.public(), bad.to_owned()]), Err(NotAnAuditor), "{bad}");
        }
        for bad in ["", "# public key: x\n", &key.public()] {
            assert!(AuditorKey::read(bad).is_err(), "{bad}");
        }
    }
}
