//! `kobling platform-key`: the key that a platform signs requests with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use kobling_crypto::sign::SigningKey;

use crate::arguments::PlatformKeyArguments;
use crate::exit::{Exit, unusable, unusable_because};

/// Makes a key, and says what belongs into the federation file.
///
/// # Errors
/// Where the file is there already, or cannot be written.
pub fn run(arguments: &PlatformKeyArguments) -> anyhow::Result<Exit> {
    let public = make(&arguments.file)?;
    super::print(&format!("signing_key = \"{public}\"\n"));
    Ok(Exit::DONE)
}

/// Makes a key in a new file that its owner alone can read, and returns its public part, hexadecimal.
///
/// # Errors
/// As [`run`].
pub fn make(file: &Path) -> anyhow::Result<String> {
    let key = SigningKey::generate();
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut open = created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            unusable(format!("{} exists already; nothing was changed", file.display()))
        }
        _ => unusable_because(format!("{} cannot be written", file.display()), error),
    })?;
    let written = open.write_all(key.expose_pkcs8()).and_then(|()| open.sync_all());
    written.map_err(|error| unusable_because(format!("{} cannot be written", file.display()), error))?;
    Ok(hex::encode(key.verifying_key().as_bytes()))
}
