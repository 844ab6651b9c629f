//! Policy images for gateways that tests configure.

use std::path::Path;

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use countersign_compiler::{CompileOptions, Pack, Source, compile, load_pack};

/// The image of one policy text under one schema, both in Cedar's syntax.
pub fn image(schema: &str, policies: &str) -> Result<Vec<u8>> {
    compiled(&Pack {
        policies: vec![Source::new("test.cedar", policies)],
        schema: Some(Source::new("test.cedarschema", schema)),
        ..Pack::default()
    })
}

/// The image of a folder of policies.
pub fn folder_image(folder: &Path) -> Result<Vec<u8>> {
    compiled(&load_pack(folder)?)
}

/// The image of a folder of policies and of some more.
pub fn extended_image(folder: &Path, policies: &str) -> Result<Vec<u8>> {
    let mut pack = load_pack(folder)?;
    pack.policies.push(Source::new("more.cedar", policies));
    compiled(&pack)
}

/// An image as a configuration holds it.
pub fn base64(image: &[u8]) -> String {
    BASE64_STANDARD.encode(image)
}

fn compiled(pack: &Pack) -> Result<Vec<u8>> {
    let compiled = compile(pack, &CompileOptions::default()).map_err(|errors| anyhow!("{errors}"))?;
    Ok(compiled.image)
}
