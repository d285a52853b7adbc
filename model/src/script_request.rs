//! A script as the platform signs it: what is asked, by whom, for what, of whom, over which data, and until when.
//!
//! The broker hands it on and can neither make one nor change one. Its bytes are canonical: one request has one form, so that
//! its hash is its name in records, and what is signed here is what is read there. The form is
//!
//! ```text
//! "kobling script request v1"
//! session       16 bytes          researcher    text          nodes      list of names, ascending
//! script        text              institution   text          releases   list of (datastore, version, owner), ascending
//! nonce         16 bytes          purpose       text          issued, expires   u64, milliseconds since 1970-01-01 UTC
//! ```
//!
//! each field with its length before it (u32 little-endian), in the order of [`ScriptRequest`]; an item of a list is a field
//! within the list's field, a release three of them. Texts are UTF-8, numbers little-endian.

use crate::plan::Release;
use crate::record::Asker;
use crate::{DatastoreId, Hash, OwnerId, SessionId};

/// One script, submitted once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptRequest {
    /// The session that it is submitted in.
    pub session: SessionId,
    /// The researcher's text, at most [`Self::SCRIPT_BYTES_MAX`].
    pub script: String,
    /// The researcher, by the platform's pseudonymous id.
    pub researcher: String,
    /// The institution.
    pub institution: String,
    /// What the answers are wanted for.
    pub purpose: String,
    /// All nodes of the session, in order of name.
    pub nodes: Vec<OwnerId>,
    /// Exact versions that the script may read, in order.
    pub releases: Vec<Release>,
    /// Drawn for this request alone.
    pub nonce: [u8; 16],
    /// When it was signed, in milliseconds since 1970-01-01 UTC.
    pub issued_ms: u64,
    /// From when on it is void, likewise.
    pub expires_ms: u64,
}

/// A request's canonical bytes, and the platform's signature on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Ed25519, 64 bytes.
    pub signature: Vec<u8>,
}

/// Why a request is not taken. Nothing has been run then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// The signature is not the platform's on these bytes.
    #[error("its signature is not that of the platform whose key the federation file has")]
    Signature,
    /// The bytes are not a request in its one form.
    #[error("its bytes are not a request in canonical form")]
    Malformed,
    /// It is addressed to others.
    #[error("it is not addressed to this node")]
    NotAddressed,
    /// It is not for this session.
    #[error("its {what} differs from that of the session")]
    Differs {
        /// What differs.
        what: &'static str,
    },
    /// It would be valid for too long, or never.
    #[error("it is valid for longer than 24 hours, or for no time at all")]
    Lifetime,
    /// It was signed later than now.
    #[error("it was signed in the future by this party's clock; the clocks have to be set")]
    NotYet,
    /// It is over.
    #[error("it has expired; sign and submit the script again")]
    Expired,
    /// It has been taken before.
    #[error("it has been taken here before; sign and submit the script again")]
    Replayed,
    /// This party's clock cannot be trusted.
    #[error("this party's clock is behind a time that it has shown before; its operator has to set it")]
    ClockBehind,
    /// What has been taken could not be noted down.
    #[error("it could not be noted down as taken, so nothing was run")]
    Store,
}

impl RequestFault {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signature => "request-signature",
            Self::Malformed => "request-malformed",
            Self::NotAddressed => "request-not-addressed",
            Self::Differs { .. } => "request-differs",
            Self::Lifetime => "request-lifetime",
            Self::NotYet => "request-not-yet-valid",
            Self::Expired => "request-expired",
            Self::Replayed => "request-replayed",
            Self::ClockBehind => "clock-behind",
            Self::Store => "replay-store",
        }
    }
}

const TAG: &[u8] = b"kobling script request v1";

impl ScriptRequest {
    /// Longest script, in bytes. Scripts written by hand have a few thousand lines.
    pub const SCRIPT_BYTES_MAX: usize = 1 << 20;
    /// Longest request, in bytes: the script, and a session of some hundred nodes and releases.
    pub const BYTES_MAX: usize = Self::SCRIPT_BYTES_MAX + (1 << 16);
    /// Longest time from signature to expiry: a script may wait a night for its turn, and a node keeps its nonce that long.
    pub const LIFETIME_MAX_MS: u64 = 24 * 60 * 60 * 1000;
    /// How far two parties' clocks may be apart.
    pub const SKEW_MS: u64 = 5 * 60 * 1000;

    /// The bytes that are signed.
    pub fn bytes(&self) -> Vec<u8> {
        let mut nodes = Vec::new();
        for node in &self.nodes {
            put(&mut nodes, node.as_str().as_bytes());
        }
        let mut releases = Vec::new();
        for Release { datastore, version, owner } in &self.releases {
            put(&mut releases, datastore.as_str().as_bytes());
            put(&mut releases, version.to_string().as_bytes());
            put(&mut releases, owner.as_str().as_bytes());
        }
        let fields: [&[u8]; 10] = [
            &self.session.0,
            self.script.as_bytes(),
            self.researcher.as_bytes(),
            self.institution.as_bytes(),
            self.purpose.as_bytes(),
            &nodes,
            &releases,
            &self.nonce,
            &self.issued_ms.to_le_bytes(),
            &self.expires_ms.to_le_bytes(),
        ];
        let mut bytes = TAG.to_vec();
        for field in fields {
            put(&mut bytes, field);
        }
        bytes
    }

    /// Reads the bytes, and only the one form that [`Self::bytes`] writes.
    ///
    /// # Errors
    /// [`RequestFault::Malformed`] for everything else: other lengths, bytes after the end, texts that nobody may say, names out
    /// of order or twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestFault> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(RequestFault::Malformed);
        }
        Self::read(bytes).filter(|request| request.bytes() == bytes).ok_or(RequestFault::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes.strip_prefix(TAG)?);
        let request = Self {
            session: SessionId(fields.fixed()?),
            script: fields.text()?,
            researcher: fields.said()?,
            institution: fields.said()?,
            purpose: fields.said()?,
            nodes: fields.nodes()?,
            releases: fields.releases()?,
            nonce: fields.fixed()?,
            issued_ms: u64::from_le_bytes(fields.fixed()?),
            expires_ms: u64::from_le_bytes(fields.fixed()?),
        };
        (fields.is_empty() && request.script.len() <= Self::SCRIPT_BYTES_MAX).then_some(request)
    }

    /// Its name: the hash of [`Self::bytes`].
    pub fn hash(&self) -> Hash {
        Hash::of(&self.bytes())
    }

    /// Checks that it is for this session, as it was opened. The order of names and releases says nothing.
    ///
    /// # Errors
    /// [`RequestFault::Differs`].
    pub fn fits(
        &self,
        session: SessionId,
        asker: &Asker,
        members: &[OwnerId],
        releases: &[Release],
    ) -> Result<(), RequestFault> {
        let facts = [
            ("session", self.session == session),
            ("researcher", self.researcher == asker.researcher),
            ("institution", self.institution == asker.institution),
            ("purpose", self.purpose == asker.purpose),
            ("list of nodes", self.nodes == sorted(members)),
            ("list of releases", self.releases == sorted(releases)),
        ];
        match facts.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(RequestFault::Differs { what }),
            None => Ok(()),
        }
    }

    /// Checks that it is valid now, by a clock that may be [`Self::SKEW_MS`] behind the one it was signed by.
    ///
    /// # Errors
    /// [`RequestFault::Lifetime`], [`RequestFault::NotYet`], [`RequestFault::Expired`].
    pub fn is_valid_at(&self, now_ms: u64) -> Result<(), RequestFault> {
        let lifetime = self.expires_ms.checked_sub(self.issued_ms);
        if !lifetime.is_some_and(|lifetime| (1..=Self::LIFETIME_MAX_MS).contains(&lifetime)) {
            return Err(RequestFault::Lifetime);
        }
        if self.issued_ms > now_ms.saturating_add(Self::SKEW_MS) {
            return Err(RequestFault::NotYet);
        }
        if now_ms >= self.expires_ms { Err(RequestFault::Expired) } else { Ok(()) }
    }
}

/// Items in order, as a request lists them.
pub fn sorted<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut sorted = items.to_vec();
    sorted.sort();
    sorted
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    // One that is longer than can be written is longer than any request that is read.
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend(field);
}

/// Fields that have not been read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(field)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.next()?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.next()?).ok().map(str::to_owned)
    }

    fn said(&mut self) -> Option<String> {
        self.text().filter(|text| Asker::may_say(text))
    }

    fn nodes(&mut self) -> Option<Vec<OwnerId>> {
        let mut names = Fields(self.next()?);
        let mut nodes = Vec::new();
        while !names.is_empty() {
            nodes.push(OwnerId::new(names.text()?).ok()?);
        }
        ascending(&nodes).then_some(nodes)
    }

    fn releases(&mut self) -> Option<Vec<Release>> {
        let mut items = Fields(self.next()?);
        let mut releases = Vec::new();
        while !items.is_empty() {
            releases.push(Release {
                datastore: DatastoreId::new(items.text()?).ok()?,
                version: items.text()?.parse().ok()?,
                owner: OwnerId::new(items.text()?).ok()?,
            });
        }
        ascending(&releases).then_some(releases)
    }
}

fn ascending<T: Ord>(items: &[T]) -> bool {
    items.windows(2).all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    fn id(name: &str) -> OwnerId {
        OwnerId::new(name).expect("valid")
    }

    fn release(datastore: &str, owner: &str) -> Release {
        let version = Version { major: 1, minor: 0, patch: 2 };
        Release { datastore: DatastoreId::new(datastore).expect("valid"), version, owner: id(owner) }
    }

    fn request() -> ScriptRequest {
        ScriptRequest {
            session: SessionId([0x11; 16]),
            script: "tabulate kjønn\n".into(),
            researcher: "r-17".into(),
            institution: "UiB".into(),
            purpose: "Kreft".into(),
            nodes: vec![id("krg"), id("ssb")],
            releases: vec![release("no.krg", "krg"), release("no.ssb.fdb", "ssb")],
            nonce: [0x22; 16],
            issued_ms: 1_000_000,
            expires_ms: 2_000_000,
        }
    }

    fn asker() -> Asker {
        Asker {
            platform_certificate: Hash::of(b"certificate"),
            researcher: "r-17".into(),
            institution: "UiB".into(),
            purpose: "Kreft".into(),
            signed: false,
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_published_form() {
        // Written out by hand from the form in the module's documentation.
        let hex = [
            "6b6f626c696e67207363726970742072657175657374207631", // the tag
            "1000000011111111111111111111111111111111",           // session
            "10000000746162756c617465206b6ac3b86e6e0a",           // script
            "04000000722d3137",                                   // researcher
            "03000000556942",                                     // institution
            "050000004b72656674",                                 // purpose
            "0e000000030000006b726703000000737362",               // nodes
            "3800000006000000",
            "6e6f2e6b7267",
            "05000000312e302e32",
            "030000006b7267", // krg's release
            "0a0000006e6f2e7373622e666462",
            "05000000312e302e32",
            "03000000737362",                           // ssb's
            "1000000022222222222222222222222222222222", // nonce
            "0800000040420f0000000000",                 // issued
            "0800000080841e0000000000",                 // expires
        ];
        assert_eq!(hex::encode(request().bytes()), hex.concat());
        let hash = Hash::of(&hex::decode(hex.concat()).expect("hexadecimal"));
        assert_eq!(request().hash(), hash);
        assert_eq!(ScriptRequest::parse(&request().bytes()), Ok(request()));
    }

    #[test]
    fn no_other_form_is_read() {
        let bytes = request().bytes();
        let refused = |bytes: &[u8]| {
            assert_eq!(ScriptRequest::parse(bytes), Err(RequestFault::Malformed), "{}", hex::encode(bytes));
        };
        for end in 0..bytes.len() {
            refused(&bytes[..end]);
        }
        refused(&[&bytes[..], b"\0"].concat());
        // Another version of the form.
        refused(&[b"kobling script request v2", &bytes[TAG.len()..]].concat());
        let change = |change: fn(&mut ScriptRequest)| {
            let mut request = request();
            change(&mut request);
            request.bytes()
        };
        refused(&change(|request| request.nodes.reverse()));
        refused(&change(|request| request.nodes = vec![id("ssb"), id("ssb")]));
        refused(&change(|request| request.releases.reverse()));
        refused(&change(|request| request.releases.push(release("no.ssb.fdb", "ssb"))));
        refused(&change(|request| request.researcher.clear()));
        refused(&change(|request| request.researcher.push(' ')));
        refused(&change(|request| request.purpose = "a\nb".into()));
        refused(&change(|request| request.institution = "x".repeat(201)));
        refused(&change(|request| request.script = "x".repeat(ScriptRequest::SCRIPT_BYTES_MAX + 1)));
        // A version in another spelling.
        let text = hex::encode(&bytes).replacen("05000000312e302e32", "0600000030312e302e32", 1);
        refused(&hex::decode(text.replacen("38000000", "39000000", 1)).expect("hexadecimal"));
    }

    #[test]
    fn every_field_is_in_the_hash() {
        let changes: [fn(&mut ScriptRequest); 10] = [
            |request| request.session.0[0] ^= 1,
            |request| request.script.push('\n'),
            |request| request.researcher.push('1'),
            |request| request.institution.push('1'),
            |request| request.purpose.push('1'),
            |request| drop(request.nodes.pop()),
            |request| request.releases[0].version.patch += 1,
            |request| request.nonce[0] ^= 1,
            |request| request.issued_ms += 1,
            |request| request.expires_ms += 1,
        ];
        for change in changes {
            let mut other = request();
            change(&mut other);
            assert_ne!(other.hash(), request().hash());
            assert_eq!(ScriptRequest::parse(&other.bytes()), Ok(other));
        }
        // What ends one field does not begin the next.
        let moved = ScriptRequest { researcher: "r-1".into(), institution: "7UiB".into(), ..request() };
        assert_ne!(moved.hash(), request().hash());
    }

    #[test]
    fn a_request_fits_one_session_as_it_was_opened() {
        let (members, releases) =
            ([id("ssb"), id("krg")], [release("no.ssb.fdb", "ssb"), release("no.krg", "krg")]);
        let fits =
            |request: &ScriptRequest| request.fits(SessionId([0x11; 16]), &asker(), &members, &releases);
        assert_eq!(fits(&request()), Ok(()));
        type Change = fn(&mut ScriptRequest);
        let changes: [(&str, Change); 6] = [
            ("session", |request| request.session.0[0] ^= 1),
            ("researcher", |request| request.researcher.push('1')),
            ("institution", |request| request.institution.push('1')),
            ("purpose", |request| request.purpose.push('1')),
            ("list of nodes", |request| request.nodes.push(id("tax"))),
            ("list of releases", |request| request.releases[0].version.patch += 1),
        ];
        for (what, change) in changes {
            let mut other = request();
            change(&mut other);
            assert_eq!(fits(&other), Err(RequestFault::Differs { what }));
        }
    }

    #[test]
    fn a_request_is_valid_from_a_little_before_its_signature_to_its_expiry() {
        let (issued, expires) = (10_000_000, 20_000_000);
        let request = ScriptRequest { issued_ms: issued, expires_ms: expires, ..request() };
        assert_eq!(request.is_valid_at(issued - ScriptRequest::SKEW_MS), Ok(()));
        assert_eq!(request.is_valid_at(issued - ScriptRequest::SKEW_MS - 1), Err(RequestFault::NotYet));
        assert_eq!(request.is_valid_at(expires - 1), Ok(()));
        assert_eq!(request.is_valid_at(expires), Err(RequestFault::Expired));
        let lasting = |expires_ms| ScriptRequest { expires_ms, ..request.clone() }.is_valid_at(issued);
        assert_eq!(lasting(issued + ScriptRequest::LIFETIME_MAX_MS), Ok(()));
        assert_eq!(lasting(issued + ScriptRequest::LIFETIME_MAX_MS + 1), Err(RequestFault::Lifetime));
        assert_eq!(lasting(issued), Err(RequestFault::Lifetime));
        assert_eq!(lasting(issued - 1), Err(RequestFault::Lifetime));
        assert_eq!(lasting(u64::MAX), Err(RequestFault::Lifetime));
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        let real = request().bytes();
        let mut read = 0;
        for at in 0..real.len() {
            for bit in 0..8 {
                let mut bytes = real.clone();
                bytes[at] ^= 1 << bit;
                if let Ok(request) = ScriptRequest::parse(&bytes) {
                    assert_eq!(request.bytes(), bytes);
                    read += 1;
                }
            }
        }
        // Ids, the nonce and times are any bytes: 16 + 16 + 8 + 8 of them at least.
        assert!(read >= 48 * 8, "{read} of the changed requests were read");
    }
}
