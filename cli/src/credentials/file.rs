//! Key files: read whole, written for their owner's eyes alone, never written over by accident.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{CredentialError, PrivateKey};

/// A private key from a file, with the `kid` that a JWK gives it.
pub(crate) struct NamedKey {
    /// The key.
    pub(crate) key: PrivateKey,
    /// The key ID, where the file has one.
    pub(crate) kid: Option<String>,
}

/// Reads a private key: PKCS #8 PEM or a JWK.
pub(crate) fn read_key(path: &Path) -> Result<NamedKey, CredentialError> {
    let text = read(path)?;
    let key = PrivateKey::parse(&text)
        .map_err(|error| CredentialError::Key(format!("{}: {error}", path.display())))?;
    let jwk: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let kid = jwk.and_then(|jwk| jwk.get("kid")?.as_str().map(str::to_owned));
    Ok(NamedKey { key, kid })
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, CredentialError> {
    fs::read_to_string(path).map_err(|error| {
        CredentialError::File(format!("{}: expected a readable text file: {error}", path.display()))
    })
}

/// Demands that none of these files is there yet, unless `force` replaces them: of several, all are written or none.
pub(crate) fn expect_free(paths: &[&Path], force: bool) -> Result<(), CredentialError> {
    for path in paths {
        if path.is_dir() {
            return Err(CredentialError::File(format!(
                "{}: expected a file's name, found a folder",
                path.display()
            )));
        }
        if !force && path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
    }
    Ok(())
}

fn taken(path: &Path) -> CredentialError {
    CredentialError::File(format!("{}: expected no such file yet, `--force` replaces it", path.display()))
}

/// Writes a file that only its owner can read. An existing one is an error, unless `force` replaces it.
pub(crate) fn write_private(path: &Path, text: &str, force: bool) -> Result<(), CredentialError> {
    write(path, text, force, 0o600)
}

/// Writes a file that everyone may read. An existing one is an error, unless `force` replaces it.
pub(crate) fn write_public(path: &Path, text: &str, force: bool) -> Result<(), CredentialError> {
    write(path, text, force, 0o644)
}

fn write(path: &Path, text: &str, force: bool, mode: u32) -> Result<(), CredentialError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => taken(path),
        _ => CredentialError::File(format!("{}: expected a place to write to: {error}", path.display())),
    };
    expect_free(&[path], force)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    if force {
        // Removed first, so that the mode of a file that was there before does not stay.
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    restrict(&mut options, mode);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(unix)]
fn restrict(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(mode);
}

#[cfg(not(unix))]
fn restrict(_: &mut OpenOptions, _: u32) {}
