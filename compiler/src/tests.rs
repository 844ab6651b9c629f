//! Errors with their places, identifiers, links, and that the same pack gives the same bytes.

use countersign_core::policy::{
    Entity, EntityUid, Image, IpNet, Record, Request, Ruling, SeenValue, Value, evaluate, explain,
    explain::Found,
};

use crate::{CompileErrors, CompileOptions, Compiled, Pack, Source, compile};

const SCHEMA: &str = r"
entity Role in [Role];
entity User in [Role] = { level: Long, nick?: String, home?: { city: String } };
entity Doc enum [] ;
";

const DOCS: &str = r#"
entity Role in [Role];
entity User in [Role] = { level: Long, nick?: String, tags?: Set<String> } tags String;
entity Doc = { owner: User, seen: datetime };
entity Colour enum ["red", "green"];
action read, write appliesTo { principal: User, resource: Doc, context: { ip: ipaddr, urgent?: Bool } };
"#;

fn pack(policies: &str) -> Pack {
    Pack {
        policies: vec![Source::new("policies/a.cedar", policies)],
        schema: Some(Source::new("docs.cedarschema", DOCS)),
        ..Pack::default()
    }
}

fn good(pack: &Pack) -> Compiled {
    compile(pack, &CompileOptions::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn bad(pack: &Pack) -> CompileErrors {
    compile(pack, &CompileOptions::default()).expect_err("refused")
}

fn image(pack: &Pack) -> Image {
    Image::decode(&good(pack).image).unwrap()
}

#[test]
fn a_syntax_error_has_its_place() {
    let errors = bad(&pack("permit(principal, action, resource)\nwhen { principal.level > };"));
    let text = errors.to_string();
    assert!(text.starts_with("policies/a.cedar:2:26: "), "{text}");
    let error = &errors.0[0];
    assert_eq!((error.line, error.column), (2, 26));
    assert!(error.message.starts_with("unexpected token `}`: expected "), "{text}");
}

#[test]
fn a_type_error_has_its_place() {
    let errors = bad(&pack(
        "permit(principal, action == Action::\"read\", resource);\n\
         permit(principal, action == Action::\"read\", resource)\n  when { principal.level == \"high\" };",
    ));
    let text = errors.to_string();
    assert!(text.starts_with("policies/a.cedar:3:10: the types Long and String"), "{text}");
}

#[test]
fn an_optional_attribute_must_be_asked_for() {
    let errors = bad(&pack("permit(principal, action, resource) when { principal.nick == \"x\" };"));
    assert!(errors.to_string().contains("nick"), "{errors}");
    good(&pack(
        "permit(principal, action, resource) when { principal has nick && principal.nick == \"x\" };",
    ));
}

#[test]
fn a_schema_error_has_its_place() {
    let mut broken = pack("permit(principal, action, resource);");
    broken.schema = Some(Source::new("docs.cedarschema", SCHEMA));
    let text = bad(&broken).to_string();
    assert!(text.starts_with("docs.cedarschema:4:"), "{text}");
}

#[test]
fn a_missing_schema_is_an_error() {
    let mut without = pack("permit(principal, action, resource);");
    without.schema = None;
    assert!(bad(&without).to_string().starts_with("no schema, expected"));
    let options = CompileOptions { validate: false, ..CompileOptions::default() };
    assert!(compile(&without, &options).is_ok());
}

#[test]
fn entities_must_fit_the_schema() {
    let mut wrong = pack("permit(principal, action, resource);");
    let entity = r#"[{"uid": {"type": "User", "id": "a"}, "attrs": {"level": "high"}, "parents": []}]"#;
    wrong.entities = Some(Source::new("entities.json", entity));
    let text = bad(&wrong).to_string();
    assert!(text.starts_with("entities.json: ") && text.contains("level"), "{text}");
}

#[test]
fn identifiers_come_from_annotations_or_order() {
    let mut named =
        pack("permit(principal, action, resource);\n@id(\"x\") forbid(principal, action, resource);");
    named.policies.push(Source::new("policies/b.cedar", "permit(principal, action, resource);"));
    let image = image(&named);
    let ids: Vec<&str> = image.policies().map(|policy| policy.id()).collect();
    assert_eq!(ids, ["policy0", "x", "policy2"]);
    let third = image.policy(2).unwrap();
    assert_eq!((third.source(), third.span().line), ("b.cedar", 1));
    assert_eq!(image.policy(1).unwrap().span().line, 2);
    assert_eq!(image.policy(1).unwrap().annotation("id"), Some("x"));

    let twice =
        "@id(\"x\") permit(principal, action, resource);\n@id(\"x\") forbid(principal, action, resource);";
    let text = bad(&pack(twice)).to_string();
    assert_eq!(text, "policies/a.cedar:2:1: a second policy has the id `x`");
}

#[test]
fn templates_are_linked_or_warned_about() {
    let template = "@id(\"t\") permit(principal in ?principal, action, resource == ?resource);";
    let unlinked = good(&pack(template));
    let warning = unlinked.warnings[0].to_string();
    assert_eq!(warning, "policies/a.cedar:1:1: the template `t` is not linked and has no effect");
    assert_eq!(Image::decode(&unlinked.image).unwrap().policy_count(), 0);

    let mut linked = pack(template);
    let links = r#"[{"template_id": "t", "link_id": "l",
        "args": {"?principal": "Role::\"staff\"", "?resource": "Doc::\"1\""}}]"#;
    linked.links = Some(Source::new("links.json", links));
    let image = image(&linked);
    assert_eq!(image.policy(0).unwrap().id(), "l");
    let mut ann = Entity::new(EntityUid::new("User", "ann"));
    ann.parents.push(EntityUid::new("Role", "staff"));
    let (read, context) = (EntityUid::new("Action", "read"), Record::new());
    let ask = |resource: &EntityUid| {
        let entities: &[&Entity] = &[&ann];
        let request = Request { principal: &ann.uid, action: &read, resource, context: &context, entities };
        evaluate(&image, &request).ruling()
    };
    assert_eq!(ask(&EntityUid::new("Doc", "1")), Ruling::Permitted);
    assert_eq!(ask(&EntityUid::new("Doc", "2")), Ruling::NotPermitted);

    // Cedar's own form of a link says the same.
    let mut other = pack(template);
    let links =
        links.replace("template_id", "templateId").replace("link_id", "newId").replace("args", "values");
    let links = links.replace(r#""Doc::\"1\"""#, r#"{"__entity": {"type": "Doc", "id": "1"}}"#);
    assert!(links.contains("__entity"));
    other.links = Some(Source::new("links.json", links.as_str()));
    assert_eq!(good(&other).image, good(&linked).image);

    linked.links = Some(Source::new("links.json", links.replace("newId", "new_id")));
    assert!(bad(&linked).to_string().contains("unknown member `new_id`"));
    linked.links = Some(Source::new("links.json", "[\n  {"));
    assert!(bad(&linked).to_string().starts_with("links.json:2:"));
    linked.links = None;
    linked.entities = Some(Source::new("entities.json", "[\n  {"));
    assert!(bad(&linked).to_string().starts_with("entities.json:2:"), "{}", bad(&linked));
    linked.entities = None;

    linked.links = Some(Source::new("links.json", links.replace("?resource", "?other")));
    assert!(bad(&linked).to_string().contains("expected `?principal` or `?resource`"));
}

#[test]
fn nesting_beyond_the_bound_is_an_error_with_its_place() {
    let deep = format!("{}true{}", "!(".repeat(420), ")".repeat(420));
    let options = CompileOptions { validate: false, ..CompileOptions::default() };
    let pack = pack(&format!("permit(principal, action, resource) when {{ {deep} }};"));
    // On a thread of its own: the official parser needs much stack for this.
    let text = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(move || compile(&pack, &options).expect_err("refused").to_string())
        .unwrap()
        .join()
        .unwrap();
    assert!(text.contains("nested more than 400 deep"), "{text}");
    assert!(text.starts_with("policies/a.cedar:1:"), "{text}");
}

#[test]
fn a_long_chain_is_not_deep() {
    let chain = vec!["context.ip.isIpv4()"; 1000].join(" && ");
    let pack = pack(&format!("permit(principal, action, resource) when {{ {chain} }};"));
    std::thread::Builder::new().stack_size(256 << 20).spawn(move || image(&pack)).unwrap().join().unwrap();
}

#[test]
fn the_same_pack_gives_the_same_bytes() {
    let mut whole = pack(
        "permit(principal in Role::\"b\", action == Action::\"write\", resource) when { principal.level > 3 };\n\
         forbid(principal, action in [Action::\"write\", Action::\"read\"], resource)\n\
         when { context.ip.isInRange(ip(\"10.0.0.0/8\")) && [Role::\"z\", Role::\"a\"].contains(Role::\"a\") };",
    );
    let entities = r#"[
        {"uid": {"type": "Role", "id": "b"}, "attrs": {}, "parents": [{"type": "Role", "id": "a"}]},
        {"uid": {"type": "User", "id": "u"}, "attrs": {"level": 1}, "parents": [{"type": "Role", "id": "b"}]},
        {"uid": {"type": "Role", "id": "a"}, "attrs": {}, "parents": []}]"#;
    whole.entities = Some(Source::new("entities.json", entities));
    let first = good(&whole);
    for _ in 0..5 {
        assert_eq!(good(&whole).image, first.image);
    }
    assert_eq!(Image::decode(&first.image).unwrap().digest(), &first.digest);
}

#[test]
fn the_schema_is_there_for_the_gateway() {
    let image = image(&pack("permit(principal, action, resource);"));
    let schema = image.schema();
    let read = schema.action(&EntityUid::new("Action", "read")).unwrap();
    assert_eq!(read.principal_types().collect::<Vec<_>>(), ["User"]);
    assert_eq!(read.resource_types().collect::<Vec<_>>(), ["Doc"]);
    let ip = read.context().attribute("ip").unwrap();
    assert!(ip.required());
    assert_eq!(ip.ty().to_string(), "ipaddr");
    assert!(!read.context().attribute("urgent").unwrap().required());
    assert!(read.context().attribute("other").is_none());
    let user = schema.entity_type("User").unwrap();
    assert_eq!(user.shape().attribute("tags").unwrap().ty().to_string(), "Set<String>");
    assert_eq!(user.tags().unwrap().to_string(), "String");
    assert_eq!(
        schema.entity_type("Colour").unwrap().choices().unwrap().collect::<Vec<_>>(),
        ["red", "green"]
    );
    assert!(schema.entity_type("Nobody").is_none());
    assert!(schema.action(&EntityUid::new("Action", "burn")).is_none());
}

#[test]
fn requests_are_checked_against_the_schema() {
    let image = image(&pack("permit(principal, action, resource);"));
    let schema = image.schema();
    let address = Value::Ip(IpNet::parse("10.0.0.1").unwrap());
    let mut ann = Entity::new(EntityUid::new("User", "ann"));
    ann.attributes.insert("level", 1);
    let (read, doc) = (EntityUid::new("Action", "read"), EntityUid::new("Doc", "1"));
    let check = |principal: &Entity, action: &EntityUid, context: &Record| {
        let entities: &[&Entity] = &[principal];
        let request = Request { principal: &principal.uid, action, resource: &doc, context, entities };
        schema.check(&request).map_err(|mismatch| mismatch.to_string())
    };
    let context = Record::new().with("ip", address);
    assert_eq!(check(&ann, &read, &context), Ok(()));
    let missing = Err("`context.ip`: expected ipaddr, found nothing".to_owned());
    assert_eq!(check(&ann, &read, &Record::new()), missing);
    let wrong = Err("`context.ip`: expected ipaddr, found String".to_owned());
    assert_eq!(check(&ann, &read, &Record::new().with("ip", "10.0.0.1")), wrong);
    let unknown = Err("`context.more`: expected no such attribute, found Bool".to_owned());
    assert_eq!(check(&ann, &read, &context.clone().with("more", true)), unknown);
    assert!(check(&ann, &EntityUid::new("Action", "burn"), &context).is_err());
    assert!(check(&Entity::new(EntityUid::new("Role", "r")), &read, &context).is_err());
    let absent = Err("`User.level`: expected Long, found nothing".to_owned());
    assert_eq!(check(&Entity::new(EntityUid::new("User", "ann")), &read, &context), absent);
    ann.attributes.insert("tags", Value::set([Value::from(1)]));
    assert_eq!(check(&ann, &read, &context), Err("`User.tags`: expected String, found Long".to_owned()));
}

#[test]
fn an_explanation_names_the_clause_that_failed() {
    let policies = "permit(principal, action == Action::\"read\", resource)\n\
                    when { principal.level > 3 && context.ip.isLoopback() }\n\
                    unless { context has urgent && context.urgent };";
    let image = image(&pack(policies));
    let mut ann = Entity::new(EntityUid::new("User", "ann"));
    ann.attributes.insert("level", 5);
    let (read, write) = (EntityUid::new("Action", "read"), EntityUid::new("Action", "write"));
    let doc = EntityUid::new("Doc", "1");
    let address = countersign_core::policy::IpNet::parse("10.0.0.1").unwrap();
    let context = Record::new().with("ip", Value::Ip(address));
    let entities: &[&Entity] = &[&ann];
    let ask = |action, context| {
        let request = Request { principal: &ann.uid, action, resource: &doc, context, entities };
        explain(&image, &request).findings[0].result.clone()
    };
    match ask(&read, &context) {
        Found::ConditionFalse(condition) => {
            assert_eq!(condition.text, "context.ip.isLoopback()");
            let at = condition.offset as usize;
            assert_eq!(&policies[at..at + condition.len as usize], "context.ip.isLoopback()");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&write, &context), Found::OtherAction);
    match ask(&read, &Record::new()) {
        Found::Failed(_, _, at) => assert_eq!(at, "context.ip"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn constants_are_folded_and_errors_are_not() {
    use countersign_core::policy::image::tables::Node;

    let certain = "permit(principal, action, resource)
        when { 1 + 1 == 2 && !([1, 2].contains(3)) && {a: 5}.a > 4 && (if 1 < 2 then true else context.b) };";
    let doubtful = "permit(principal, action, resource)
        when { 9223372036854775807 + 1 == 0 && {a: 5}.b == 4 && (context.b || true) };";
    let policies = format!("{certain}{doubtful}").parse().unwrap();
    let compiled = crate::compile_set(&policies, None, None, &cedar_policy::Entities::empty()).unwrap();
    let image = Image::decode(&compiled.image).unwrap();
    let tables = image.tables();
    let constant: Vec<bool> = tables
        .policies
        .clauses
        .iter()
        .map(|clause| matches!(tables.nodes.rows[clause.node as usize], Node::Const(_)))
        .collect();
    assert_eq!(constant, [true, true, true, true, false, false, false]);
}

#[test]
fn explanations_tell_what_conditions_saw_but_not_what_is_sensitive() {
    let image = image(&Pack {
        policies: vec![Source::new(
            "a.cedar",
            r#"@id("small") @sensitive("context.amount")
               permit(principal, action, resource)
               when { principal.address.zip == "1010" && context.amount < 10 && resource.owner.ssn == "1" }
               unless { principal has nick && principal.nick == "bob" };
               @id("near") permit(principal, action, resource)
               when { principal.address.zip == "1010" && principal.level > 3 };"#,
        )],
        schema: Some(Source::new(
            "a.cedarschema",
            r#"entity User { level: Long, @sensitive ssn: String, @sensitive address: { zip: String }, nick?: String };
               entity Doc { owner: User };
               action read appliesTo { principal: User, resource: Doc, context: { amount: Long } };"#,
        )),
        ..Pack::default()
    });
    let mut ann = Entity::new(EntityUid::new("User", "ann"));
    ann.attributes = Record::new()
        .with("level", 2)
        .with("ssn", "078-05-1120")
        .with("address", Record::new().with("zip", "1010"));
    let mut doc = Entity::new(EntityUid::new("Doc", "1"));
    doc.attributes = Record::new().with("owner", ann.uid.clone());
    let asked = |amount: i64| {
        let context = Record::new().with("amount", amount);
        let request = Request {
            principal: &ann.uid,
            action: &EntityUid::new("Action", "read"),
            resource: &doc.uid,
            context: &context,
            entities: &[&ann, &doc],
        };
        let values = |found: &Found| match found {
            Found::ConditionFalse(condition) => {
                condition.values.iter().map(|seen| (seen.expression.clone(), seen.value.clone())).collect()
            }
            _ => Vec::new(),
        };
        explain(&image, &request).findings.iter().map(|finding| values(&finding.result)).collect::<Vec<_>>()
    };
    let text = |text: &str| text.to_owned();
    let found = asked(50);
    assert_eq!(found[0], [(text("context.amount"), SeenValue::Masked)], "by the policy's annotation");
    assert_eq!(found[1], [(text("principal.level"), SeenValue::Value(Value::from(2)))]);
    let found = asked(5);
    assert_eq!(found[0], [(text("resource.owner.ssn"), SeenValue::Masked)], "through another entity");
}

#[test]
fn a_demand_on_the_login_is_read_when_the_policy_is_compiled() {
    good(&pack("@step_up(\"acr=mfa max_age=300\") permit(principal, action, resource);"));
    let errors = bad(&pack("@step_up(\"mfa\") permit(principal, action, resource);"));
    assert!(errors.to_string().contains("the policy's `@step_up`: expected words such as"), "{errors}");
}
