//! Policy images as files, and packs as images.

use crate::configuration::compile_pack;
use crate::failure::Failure;
use crate::paths;
use crate::sources::Sources;
use countersign_core::policy::Image;
use std::io::Read;
use std::path::Path;

/// The largest file that is read as an image: what its header can say.
const MOST_BYTES: u64 = u32::MAX as u64;

/// Reads a file that should hold an image.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::at(path.display(), format!("expected a policy image: {error}"));
    if path.is_dir() {
        let failure = Failure::at(path.display(), "expected a policy image, found a folder");
        return Err(failure.help("compile the pack: `countersign compile PACK -o pack.image`"));
    }
    paths::expect(path, "a policy image")?;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Decodes what was read from `path`.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Image, Failure> {
    Image::decode(bytes).map_err(|error| {
        Failure::at(path.display(), error).help("compile the policies again: `countersign compile`")
    })
}

/// The image of a pack (a folder), or the one in a file.
pub(crate) fn open(path: &Path) -> Result<Image, Failure> {
    open_with_sources(path).map(|(image, _)| image)
}

/// The same, with what a pack's policies stand in.
pub(crate) fn open_with_sources(path: &Path) -> Result<(Image, Sources), Failure> {
    if path.is_dir() {
        let compiled = compile_pack(path)?;
        return Ok((decode(path, &compiled.image)?, Sources::new(compiled.sources)));
    }
    paths::expect(path, "a pack (folder) or a policy image")?;
    Ok((decode(path, &read(path)?)?, Sources::default()))
}

/// An image's digest, written out.
pub(crate) fn digest(image: &Image) -> String {
    let digits: String = image.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
