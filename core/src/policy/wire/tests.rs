use alloc::{string::String, vec, vec::Vec};
use proptest::prelude::*;

use super::{MAX_REQUEST, OwnedRequest, WireError, tag};
use crate::policy::{
    extension::{Datetime, Decimal, Duration, IpNet},
    value::{Entity, EntityUid, Record, Value},
};

fn uid() -> impl Strategy<Value = EntityUid> {
    ("[A-Z][a-z]{0,3}", ".{0,4}").prop_map(|(ty, id)| EntityUid::new(ty, id))
}

fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Long),
        ".{0,5}".prop_map(Value::from),
        uid().prop_map(Value::Entity),
        any::<i64>().prop_map(|number| Value::Decimal(Decimal(number))),
        any::<i64>().prop_map(|number| Value::Datetime(Datetime(number))),
        any::<i64>().prop_map(|number| Value::Duration(Duration(number))),
        (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(ip, prefix)| Value::Ip(IpNet::V4(ip, prefix))),
        (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(ip, prefix)| Value::Ip(IpNet::V6(ip, prefix))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::set),
            record_of(inner).prop_map(Value::Record),
        ]
    })
    .boxed()
}

fn record_of(value: BoxedStrategy<Value>) -> impl Strategy<Value = Record> {
    prop::collection::vec((".{0,3}", value), 0..4).prop_map(|members| members.into_iter().collect())
}

fn entity() -> impl Strategy<Value = Entity> {
    let parents = prop::collection::vec(uid(), 0..3);
    (uid(), record_of(value()), record_of(value()), parents)
        .prop_map(|(uid, attributes, tags, parents)| Entity { uid, attributes, parents, tags })
}

fn request() -> impl Strategy<Value = OwnedRequest> {
    (uid(), uid(), uid(), record_of(value()), prop::collection::vec(entity(), 0..3)).prop_map(
        |(principal, action, resource, context, entities)| OwnedRequest {
            principal,
            action,
            resource,
            context,
            entities,
        },
    )
}

fn smallest() -> OwnedRequest {
    let uid = || EntityUid::new("U", "a");
    OwnedRequest {
        principal: uid(),
        action: uid(),
        resource: uid(),
        context: Record::new(),
        entities: Vec::new(),
    }
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(request in request()) {
        prop_assert_eq!(OwnedRequest::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn a_request_cut_short_or_lengthened_is_refused(request in request(), at in any::<prop::sample::Index>()) {
        let mut bytes = request.encode();
        let cut = at.index(bytes.len());
        prop_assert!(OwnedRequest::decode(&bytes[..cut]).is_err());
        bytes.push(0);
        prop_assert_eq!(OwnedRequest::decode(&bytes), Err(WireError::Trailing));
    }

    #[test]
    fn what_is_read_has_one_form(bytes in prop::collection::vec(0..16_u8, 0..60)) {
        let mut wire = vec![1];
        wire.extend(&bytes);
        if let Ok(request) = OwnedRequest::decode(&wire) {
            prop_assert_eq!(OwnedRequest::decode(&request.encode()), Ok(request));
        }
    }
}

#[test]
fn names_what_is_wrong() {
    let good = smallest().encode();
    let with_context = |context: &[u8]| {
        let mut bytes = good[..good.len() - 2].to_vec();
        bytes.extend(context);
        bytes.push(0);
        OwnedRequest::decode(&bytes)
    };
    assert_eq!(with_context(&[0]), Ok(smallest()));
    assert_eq!(with_context(&[1, 1, b'a', 99]), Err(WireError::Tag));
    assert_eq!(with_context(&[2, 1, b'b', tag::TRUE, 1, b'a', tag::TRUE]), Err(WireError::Order));
    assert_eq!(with_context(&[2, 1, b'a', tag::TRUE, 1, b'a', tag::TRUE]), Err(WireError::Order));
    assert_eq!(with_context(&[1, 1, 0xff, tag::TRUE]), Err(WireError::Text));
    assert_eq!(with_context(&[0x80, 0]), Err(WireError::Number));
    assert_eq!(with_context(&[1, 1, b'a', tag::IP_V4, 1, 2, 3, 4, 33]), Err(WireError::Number));
    assert_eq!(OwnedRequest::decode(&[2]), Err(WireError::Version));
    assert_eq!(OwnedRequest::decode(&vec![0; MAX_REQUEST + 1]), Err(WireError::Long));
}

#[test]
fn nesting_is_bounded() {
    let mut bytes = smallest().encode();
    bytes.truncate(bytes.len() - 2);
    bytes.extend([1, 1, b'a']);
    for _ in 0..100_000 {
        bytes.extend([tag::SET, 1]);
    }
    assert_eq!(OwnedRequest::decode(&bytes), Err(WireError::Depth));
}

#[test]
fn many_entities_are_asked_in_order() {
    for count in [0, 1, 16, 17, 40] {
        let entity = |at: usize| Entity::new(EntityUid::new("U", String::from("x").repeat(at)));
        let request = OwnedRequest { entities: (0..count).map(entity).collect(), ..smallest() };
        let asked: Vec<Entity> =
            request.ask(|request| request.entities.iter().map(|entity| (*entity).clone()).collect());
        assert_eq!(request.entities, asked);
    }
}
