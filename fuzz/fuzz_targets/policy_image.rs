#![no_main]

use countersign_core::policy::{Entity, EntityUid, Image, Record, Request, Value, evaluate, explain};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// Puts the right length and digest in place, so that the sections are reached.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut image = b"CSIMAGE\0\x02\0\x04\x06".to_vec();
    image.resize(48, 0);
    image.extend_from_slice(data);
    let length = u32::try_from(image.len()).unwrap_or(u32::MAX);
    image[12..16].copy_from_slice(&length.to_le_bytes());
    let digest = Sha256::new().chain_update(&image[..16]).chain_update(&image[48..]).finalize();
    image[16..48].copy_from_slice(&digest);
    image
}

fuzz_target!(|data: &[u8]| {
    let _ = Image::decode(data);
    let Ok(image) = Image::decode(&sealed(data)) else { return };
    let tables = image.tables();
    let names: Vec<&str> = (0..4).map(|sym| tables.strings.get(sym)).collect();
    let (ty, id) = (names[0], names[1]);
    let principal = EntityUid::new(ty, id);
    let mut entity = Entity::new(principal.clone());
    entity.attributes = Record::new().with(names[2], 1).with(names[3], Value::set([Value::from("a")]));
    entity.parents.push(EntityUid::new(names[1], names[2]));
    let context = Record::new().with(names[0], true).with(names[1], principal.clone());
    let request = Request {
        principal: &principal,
        action: &principal,
        resource: &entity.parents[0],
        context: &context,
        entities: &[&entity],
    };
    let outcome = evaluate(&image, &request);
    assert!(outcome.determining().iter().all(|index| image.policy(index).is_some()));
    let _ = explain(&image, &request);
    let _ = image.schema().check(&request);
});
