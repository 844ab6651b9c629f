use countersign_core::policy::Image;
use serde_json::{Value, json};

use super::{Answer, Case, answer, requests};

fn answers(case: &Value) -> Vec<(Answer, Answer)> {
    let read = Case::read(case).expect("a case");
    let image = Image::decode(&read.compile().expect("compiles").image).expect("usable");
    requests(case)
        .iter()
        .map(|request| {
            let request = read.request(request).expect("a request").request;
            let owned = answer::owned(&request, Vec::new()).expect("concrete");
            (answer::ours(&image, &owned), read.official(&request))
        })
        .collect()
}

fn request(principal: &str) -> Value {
    json!({"principal": {"type": "User", "id": principal}, "action": "Action::\"read\"",
        "resource": {"__entity": {"type": "Doc", "id": "d"}}})
}

#[test]
fn a_case_brings_everything_along() {
    let case = json!({
        "policy_parts": {
            "static": [["no", "forbid (principal == User::\"c\", action, resource);"]],
            "templates": [["t", "permit (principal == ?principal, action, resource);"]],
        },
        "links": [{"template_id": "t", "link_id": "b may not", "args": {"?principal": "User::\"nobody\""}},
            {"templateId": "t", "newId": "a may", "values": {"?principal": {"type": "User", "id": "a"}}}],
        "requests": [request("a"), request("b"), request("c")],
    });
    let decided: Vec<_> = answers(&case)
        .into_iter()
        .map(|(ours, official)| {
            assert_eq!(ours, official);
            (ours.allow, Vec::from_iter(ours.reasons))
        })
        .collect();
    let named = |name: &str| vec![name.to_owned()];
    assert_eq!(decided, [(true, named("a may")), (false, Vec::new()), (false, named("no"))]);
}

#[test]
fn entities_that_do_not_fit_are_read_without_the_schema() {
    let case = json!({
        "policy": "permit (principal, action, resource) when { principal.n == \"x\" };",
        "schema": "entity User { n: Long }; entity Doc; action read appliesTo { principal: User, resource: Doc };",
        "entities": [{"uid": {"type": "User", "id": "a"}, "attrs": {"n": "x"}, "parents": []}],
        "requests": [request("a")],
    });
    assert_eq!(Case::read(&case).expect("a case").notes.len(), 1);
    assert!(answers(&case).iter().all(|(ours, official)| ours.allow && ours == official));
}

#[test]
fn names_the_member_that_is_wrong() {
    let wrong = |case: Value| Case::read(&case).expect_err("wrong").member;
    assert_eq!(wrong(json!([])), "");
    assert_eq!(wrong(json!({})), "policy");
    assert_eq!(wrong(json!({"policy": "permit"})), "policy");
    assert_eq!(wrong(json!({"policy": "", "schema": "entity"})), "schema");
    assert_eq!(wrong(json!({"policy": "", "entities": [1]})), "entities");
    assert_eq!(wrong(json!({"policy_parts": {"static": [1]}})), "policy_parts");
    assert_eq!(wrong(json!({"policy": "", "links": [{"templateId": "x", "newId": "y"}]})), "links[0]");
    assert_eq!(wrong(json!({"policy": "", "shcema": ""})), "shcema");
    assert_eq!(wrong(json!({"policy_parts": {"sttic": []}})), "policy_parts.sttic");
    let case = Case::read(&json!({"policy": ""})).expect("a case");
    let wrong = |change: Value| {
        let mut request = request("a");
        change.as_object().expect("members").iter().for_each(|(name, value)| request[name] = value.clone());
        case.request(&request).expect_err("wrong").member
    };
    assert_eq!(wrong(json!({"principal": {"type": "User"}})), "principal");
    assert_eq!(wrong(json!({"context": []})), "context");
    assert_eq!(wrong(json!({"decision": "perhaps"})), "decision");
    assert_eq!(wrong(json!({"decision": "allow", "errors": [1]})), "errors");
    assert_eq!(wrong(json!({"decison": "allow"})), "decison");
    assert_eq!(wrong(json!({"oracle": {"decison": "allow"}})), "oracle.decison");
    assert_eq!(wrong(json!({"reason": []})), "decision");
    assert_eq!(wrong(json!({"decision": "allow", "reason": [], "reasons": []})), "reasons");
}
