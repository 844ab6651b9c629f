//! Whether bytes are a WebAssembly module, and what they are where they are not.

use std::borrow::Cow;

use crate::error::LoadError;

const MAGIC: &[u8] = b"\0asm";
/// The version of modules; components have another.
const MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// Bytes of the longest text form.
const TEXT: usize = 16 << 20;

/// What people hand over in a module's place, by its first bytes.
const OTHERS: [(&[u8], &str); 12] = [
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\x7fELF", "a native library or program: build it for a `wasm32` target"),
    (b"MZ", "a native library or program: build it for a `wasm32` target"),
    (b"\xcf\xfa\xed\xfe", "a native library or program: build it for a `wasm32` target"),
    (b"!<arch>\n", "an archive of object files: link it first"),
    (b"BC\xc0\xde", "LLVM bitcode: link it first"),
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself, by `git lfs pull`"),
    (b"{", "JSON"),
    (b"<", "a page of HTML or XML: a download that failed, perhaps"),
    (b"%PDF", "a PDF"),
];

/// Passes modules, in binary or text form.
pub(crate) fn recognise(bytes: &[u8], most: usize) -> Result<(), LoadError> {
    if bytes.len() > most {
        return Err(LoadError::TooLarge { bytes: bytes.len(), most });
    }
    match other(bytes) {
        Some(found) => Err(LoadError::NotWasm { found }),
        None => Ok(()),
    }
}

/// A module in binary form, from either form. The parser of the text form bounds its depth itself.
pub(crate) fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    if !bytes.starts_with(MAGIC) && bytes.len() > TEXT {
        return Err(LoadError::TooLarge { bytes: bytes.len(), most: TEXT });
    }
    wat::parse_bytes(bytes).map_err(|error| super::of_text(&error.to_string()))
}

/// What they are, if they are no module.
pub(crate) fn other(bytes: &[u8]) -> Option<String> {
    if let Some(rest) = bytes.strip_prefix(MAGIC) {
        return match rest.get(..4) {
            Some(MODULE) => None,
            Some(COMPONENT) => Some(
                "a component: gateways run modules; build for preview 1 of WASI, as `wasm32-wasip1`"
                    .to_owned(),
            ),
            Some(version) => {
                Some(format!("WebAssembly of the version {version:02x?}, expected [01, 00, 00, 00]"))
            }
            None => Some("the first bytes of a module: the file was cut short".to_owned()),
        };
    }
    if bytes.is_empty() {
        return Some("an empty file".to_owned());
    }
    let start = bytes.trim_ascii_start();
    // The text form is a list, behind comments perhaps.
    if start.starts_with(b"(") || start.starts_with(b";;") {
        return None;
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some("a tar archive: unpack it first".to_owned());
    }
    // Page and text formats may follow white space, and signatures of archives don't.
    let known = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic) || start.starts_with(magic));
    Some(match (known, std::str::from_utf8(bytes.get(..64).unwrap_or(bytes))) {
        (Some((_, what)), _) => (*what).to_owned(),
        (None, Ok(text)) => {
            format!("text that begins with `{}`", text.lines().next().unwrap_or_default().escape_debug())
        }
        (None, Err(_)) => format!("a file that begins with {:02x?}", bytes.get(..8).unwrap_or(bytes)),
    })
}
