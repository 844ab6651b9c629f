//! Writing a request.

use alloc::vec::Vec;

use super::{OwnedRequest, VERSION, tag};
use crate::policy::{
    extension::IpNet,
    value::{Entity, EntityUid, Record, Value},
};

pub(super) fn request(request: &OwnedRequest) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    uid(&mut out, &request.principal);
    uid(&mut out, &request.action);
    uid(&mut out, &request.resource);
    record(&mut out, &request.context);
    count(&mut out, request.entities.len());
    request.entities.iter().for_each(|brought| entity(&mut out, brought));
    out
}

fn entity(out: &mut Vec<u8>, entity: &Entity) {
    uid(out, &entity.uid);
    record(out, &entity.attributes);
    record(out, &entity.tags);
    count(out, entity.parents.len());
    entity.parents.iter().for_each(|parent| uid(out, parent));
}

fn record(out: &mut Vec<u8>, record: &Record) {
    count(out, record.len());
    for (name, member) in record.iter() {
        text(out, name);
        value(out, member);
    }
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(false) => out.push(tag::FALSE),
        Value::Bool(true) => out.push(tag::TRUE),
        Value::Long(number) => signed(out, tag::LONG, *number),
        Value::String(content) => {
            out.push(tag::STRING);
            text(out, content);
        }
        Value::Entity(name) => {
            out.push(tag::ENTITY);
            uid(out, name);
        }
        Value::Set(set) => {
            out.push(tag::SET);
            count(out, set.members().len());
            set.members().iter().for_each(|member| self::value(out, member));
        }
        Value::Record(members) => {
            out.push(tag::RECORD);
            record(out, members);
        }
        Value::Decimal(number) => signed(out, tag::DECIMAL, number.0),
        Value::Datetime(time) => signed(out, tag::DATETIME, time.0),
        Value::Duration(length) => signed(out, tag::DURATION, length.0),
        Value::Ip(IpNet::V4(address, prefix)) => {
            out.push(tag::IP_V4);
            out.extend_from_slice(address);
            out.push(*prefix);
        }
        Value::Ip(IpNet::V6(address, prefix)) => {
            out.push(tag::IP_V6);
            out.extend_from_slice(address);
            out.push(*prefix);
        }
    }
}

fn uid(out: &mut Vec<u8>, uid: &EntityUid) {
    text(out, uid.ty());
    text(out, uid.id());
}

fn text(out: &mut Vec<u8>, text: &str) {
    count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn signed(out: &mut Vec<u8>, kind: u8, number: i64) {
    out.push(kind);
    long(out, (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
}

fn count(out: &mut Vec<u8>, count: usize) {
    long(out, count as u64);
}

fn long(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
