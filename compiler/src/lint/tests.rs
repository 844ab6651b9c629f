//! Each rule on what it should find, and on what it should leave alone.

use super::{Finding, LintOptions, Rule, lint};
use crate::{pack::Pack, source::Source};

const SCHEMA: &str = r#"
entity Role in [Role];
entity Team;
entity User in [Role] { level: Long, tenant: String, risk?: String, blocked?: Bool, team?: Team, manager?: User } tags String;
entity Doc { tenant: String, owner: User, labels: Set<String> };
@sensitive
entity Secret { tenant: String };
entity Person { @sensitive ssn: String, name: String };
entity Colour enum ["red", "green"];
action read, write in [all] appliesTo {
  principal: User, resource: [Doc, Secret, Person, Colour],
  context: { @unverified purpose?: String, mfa?: String, amount: Long, time: datetime, device: { os: String, managed?: Bool } }
};
action all;
"#;

const ENTITIES: &str = r#"[
  {"uid": {"type": "Role", "id": "staff"}, "attrs": {}, "parents": []},
  {"uid": {"type": "Role", "id": "admin"}, "attrs": {}, "parents": [{"type": "Role", "id": "staff"}]},
  {"uid": {"type": "Role", "id": "ghost"}, "attrs": {}, "parents": []}
]"#;

fn found_in(policies: &str, options: &LintOptions) -> Vec<Finding> {
    let pack = Pack {
        policies: vec![Source::new("a.cedar", policies)],
        schema: Some(Source::new("a.cedarschema", SCHEMA)),
        entities: Some(Source::new("entities.json", ENTITIES)),
        ..Pack::default()
    };
    lint(&pack, options).unwrap_or_else(|errors| panic!("{errors}\n{policies}"))
}

/// The names of the rules that have findings about policies.
fn rules(policies: &str) -> Vec<Rule> {
    let findings = found_in(policies, &LintOptions::default());
    findings.iter().filter(|finding| finding.policy.is_some()).map(|finding| finding.rule).collect()
}

/// Holds that `rule` finds something in each of `bad`, and nothing in any of `good`.
#[track_caller]
fn holds(rule: Rule, bad: &[&str], good: &[&str]) {
    for policies in bad {
        assert!(rules(policies).contains(&rule), "{} finds nothing in {policies}", rule.name());
    }
    for policies in good {
        assert!(!rules(policies).contains(&rule), "{} finds something in {policies}", rule.name());
    }
}

fn permit(when: &str) -> String {
    format!("permit(principal, action == Action::\"read\", resource is Doc) when {{ {when} }};")
}

fn forbid(when: &str) -> String {
    format!("forbid(principal, action == Action::\"read\", resource is Doc) when {{ {when} }};")
}

#[test]
fn never_matches() {
    for bad in [
        "false",
        "1 == 2",
        "principal.level == 1 && principal.level == 2",
        "principal.level > 5 && principal.level < 3",
        "principal.level > 3 && principal.level < 4",
        "principal.level == 3 && principal.level >= 4",
        "3 > principal.level && principal.level >= 3",
        "principal.tenant == \"a\" && principal.tenant != \"a\"",
        "[\"a\", \"b\"].contains(principal.tenant) && principal.tenant == \"c\"",
        "(principal.tenant == \"a\" || principal.tenant == \"b\") && principal.tenant == \"c\"",
        "principal has risk && !(principal has risk)",
        "(principal.level < 3 || principal.level > 9) && principal.level == 5",
        "context.time > datetime(\"2026-01-02\") && context.time < datetime(\"2026-01-01\")",
        "if principal.level > 3 then principal.level < 2 else false",
        "resource is Secret",
    ] {
        holds(Rule::NeverMatches, &[&permit(bad), &forbid(bad)], &[]);
    }
    for good in [
        "true",
        "principal.level > 3 && principal.level < 5",
        "principal.level == 3 && principal.level >= 3",
        "principal.level == 1 || principal.level == 2",
        "principal.level == 1 && context.amount == 2",
        "[\"a\", \"b\"].contains(principal.tenant) && principal.tenant != \"a\"",
        "if principal has risk then principal.risk == \"low\" else true",
        "context.time >= datetime(\"2026-01-01\") && context.time < datetime(\"2026-01-02\")",
    ] {
        holds(Rule::NeverMatches, &[], &[&permit(good)]);
    }
    holds(
        Rule::NeverMatches,
        &[
            "permit(principal == User::\"a\", action, resource) when { principal == User::\"b\" };",
            "permit(principal, action, resource is Doc) when { resource == Doc::\"a\" && resource == Doc::\"b\" };",
        ],
        &[
            "permit(principal == User::\"a\", action, resource) when { principal == User::\"a\" && context.amount > 1 };",
        ],
    );
}

#[test]
fn covered() {
    let pair = |inner: &str, outer: &str| format!("@id(\"inner\") {inner}\n@id(\"outer\") {outer}");
    let any = "permit(principal, action, resource is Doc);";
    for (inner, outer) in [
        ("permit(principal in Role::\"staff\", action == Action::\"read\", resource is Doc);", any),
        ("permit(principal, action == Action::\"read\", resource == Doc::\"a\");", any),
        (
            "permit(principal in Role::\"admin\", action == Action::\"read\", resource);",
            "permit(principal in Role::\"staff\", action in Action::\"all\", resource);",
        ),
        (
            "permit(principal, action, resource) when { principal.level > 5 && principal.tenant == \"a\" };",
            "permit(principal, action, resource) when { principal.level > 3 };",
        ),
        (
            "permit(principal, action, resource) when { principal.tenant == \"a\" };",
            "permit(principal, action, resource) when { [\"a\", \"b\"].contains(principal.tenant) };",
        ),
        (
            "permit(principal, action, resource) when { principal.level == 1 };",
            "permit(principal, action, resource) when { principal.level == 1 || principal.tenant == \"x\" };",
        ),
        (
            "forbid(principal, action, resource) unless { principal.level > 5 };",
            "forbid(principal, action, resource) unless { principal.level > 5 || context.amount > 9 } ;",
        ),
    ] {
        holds(Rule::Covered, &[&pair(inner, outer)], &[]);
    }
    holds(
        Rule::Covered,
        &[],
        &[
            &pair(
                "permit(principal in Role::\"ghost\", action, resource);",
                "permit(principal in Role::\"admin\", action, resource);",
            ),
            &pair("forbid(principal, action, resource is Doc);", any),
            // The other one fails where a sum overflows.
            &pair(
                "permit(principal, action, resource) when { principal.level > 5 };",
                "permit(principal, action, resource) when { principal.level + 1 > 9 || principal.level > 5 };",
            ),
            &pair(
                "permit(principal, action, resource) when { principal.level > 3 };",
                "permit(principal, action, resource) when { principal.level < 3 };",
            ),
            &pair(
                "permit(principal, action == Action::\"read\", resource is Doc);",
                "permit(principal, action == Action::\"write\", resource is Doc);",
            ),
        ],
    );
    // Of two that are alike the first stays.
    let twice = found_in(&format!("@id(\"one\") {any} @id(\"two\") {any}"), &LintOptions::default());
    let twice: Vec<_> = twice.iter().filter(|finding| finding.rule == Rule::Covered).collect();
    assert_eq!(twice.len(), 1);
    assert_eq!(twice[0].policy.as_deref(), Some("two"));
}

#[test]
fn negative_match_on_optional() {
    let unless =
        |effect: &str, what: &str| format!("{effect}(principal, action, resource) unless {{ {what} }};");
    holds(
        Rule::NegativeMatchOnOptional,
        &[
            &permit("if principal has risk then principal.risk != \"high\" else true"),
            &permit("!(principal has blocked && principal.blocked)"),
            &unless("permit", "principal has risk && principal.risk == \"high\""),
            &unless("permit", "principal has risk && [\"high\", \"odd\"].contains(principal.risk)"),
            &unless("permit", "context.device has managed && context.device.managed == false"),
            &unless("permit", "principal.hasTag(\"t\") && principal.getTag(\"t\") == \"x\""),
            &unless("permit", "principal has blocked && !principal.blocked"),
            &permit("(principal has risk && principal.risk == \"high\") == false"),
            &permit("false == (principal has risk && principal.risk == \"high\")"),
            &permit("(principal has risk && principal.risk == \"high\") != true"),
            &forbid("context has mfa && context.mfa != \"yes\""),
            &forbid("principal has team && !(principal.team == Team::\"red\")"),
        ],
        &[
            &permit("principal has risk && principal.risk == \"low\""),
            &permit("principal has risk && principal.risk != \"high\""),
            &permit("(principal has risk && principal.risk == \"low\") == true"),
            &permit("!(principal has blocked) || (principal has blocked && principal.blocked)"),
            &unless("permit", "!(principal has blocked && principal.blocked)"),
            &permit("principal.tenant != \"x\""),
            &forbid("principal.tenant != resource.tenant"),
            &unless("forbid", "principal has risk && principal.risk == \"low\""),
            &forbid("principal has risk && principal.risk == \"high\""),
            &forbid("if context has mfa then context.mfa != \"yes\" else true"),
        ],
    );
}

#[test]
fn forbid_can_error() {
    holds(
        Rule::ForbidCanError,
        &[
            &forbid("principal.level + 1 > 5"),
            &forbid("-context.amount < 0"),
            &forbid("context.amount * 2 == 4"),
            &forbid("resource.owner.level > 3"),
            &forbid("principal has manager && principal.manager.level > 3"),
            &forbid("context.time.offset(duration(\"1h\")) > context.time"),
            &forbid("resource.owner has manager && resource.owner.manager.level > 3"),
            &forbid("principal.level > 1 || resource.owner.tenant == \"x\""),
        ],
        &[
            &permit("principal.level + 1 > 5"),
            &forbid("1 + 2 > principal.level"),
            &forbid("principal.tenant != resource.tenant"),
            &forbid("resource.owner has level && resource.owner.level > 3"),
            &forbid("principal has manager.level && principal.manager.level > 3"),
            &forbid("resource.owner has level && resource.owner.tenant == \"a\""),
            &forbid("!(resource.owner has level) || resource.owner.level > 3"),
            &forbid("principal.hasTag(\"t\") && principal.getTag(\"t\") == \"x\""),
            &forbid("context.time > datetime(\"2026-01-01\").offset(duration(\"1h\"))"),
        ],
    );
}

#[test]
fn unconditional_permit() {
    let secret = |when: &str| format!("permit(principal, action, resource is Secret) when {{ {when} }};");
    holds(
        Rule::UnconditionalPermit,
        &[
            "permit(principal, action, resource);",
            "permit(principal in Role::\"staff\", action == Action::\"read\", resource is Secret);",
            "permit(principal, action, resource is Person) when { true };",
            "permit(principal, action, resource == Secret::\"s\");",
            &secret("principal == principal"),
            &secret("resource is Secret"),
            &secret("principal has level"),
            &secret("context has device.os"),
            &secret("if true then true else false"),
            &secret("context.amount > 0 || context.amount <= 0"),
            &secret("(resource is Doc) == false || true"),
            &secret("principal has level && principal == principal"),
            "permit(principal in Role::\"admin\", action, resource is Secret) when { principal in Role::\"staff\" };",
            "permit(principal, action == Action::\"read\", resource is Secret) when { action == Action::\"read\" };",
            "permit(principal, action, resource is Secret) unless { principal.level > 3 && principal.level < 2 };",
        ],
        &[
            "permit(principal, action, resource is Doc);",
            "permit(principal, action, resource is Secret) when { principal.level > 3 };",
            &secret("principal has risk"),
            &secret("context has device.managed"),
            &secret("context.amount > 0 || context.amount < 0"),
            &secret("principal in Role::\"staff\""),
            &secret("action == Action::\"read\""),
            &secret("principal.tenant == resource.tenant"),
            "forbid(principal, action, resource is Secret);",
        ],
    );
    let told = LintOptions { sensitive: ["Doc".to_owned()].into(), ..LintOptions::default() };
    let found = found_in("permit(principal, action, resource is Doc);", &told);
    assert!(found.iter().any(|finding| finding.rule == Rule::UnconditionalPermit));
}

#[test]
fn unverified_input() {
    holds(
        Rule::UnverifiedInput,
        &[&permit("context has purpose && context.purpose == \"fraud\""), &forbid("!(context has purpose)")],
        &[&permit("context.amount > 3")],
    );
    let told = |path: &str| LintOptions { unverified: [path.to_owned()].into(), ..LintOptions::default() };
    let found = |policies: &str, path: &str| {
        let found = found_in(policies, &told(path));
        found.iter().any(|finding| finding.rule == Rule::UnverifiedInput)
    };
    assert!(found(&permit("context.amount > 3"), "context.amount"));
    assert!(found(&permit("resource.tenant == \"a\""), "Doc.tenant"));
    assert!(!found(&permit("resource.tenant == \"a\""), "Secret.tenant"));
    assert!(!found(&permit("principal.tenant == \"a\""), "Doc.tenant"));
}

#[test]
fn unknown_entity() {
    holds(
        Rule::UnknownEntity,
        &[
            "permit(principal in Role::\"admn\", action, resource is Doc);",
            "permit(principal is User in Role::\"boss\", action, resource is Doc);",
            &permit("principal in [Role::\"staff\", Role::\"stuff\"]"),
            &forbid("principal in Role::\"Admin\""),
        ],
        &[
            "permit(principal in Role::\"admin\", action in Action::\"all\", resource is Doc);",
            "permit(principal == User::\"ann\", action, resource is Doc);",
            &permit("principal in [Role::\"staff\", Role::\"ghost\"]"),
            &permit("principal in User::\"nobody describes users\""),
        ],
    );
    let said = |policies: &str| found_in(policies, &LintOptions::default())[0].what.message.clone();
    let admn = "permit(principal in Role::\"admn\", action == Action::\"read\", resource is Doc);";
    assert!(said(admn).ends_with("did you mean `Role::\"admin\"`?"), "{}", said(admn));
    let boss = "permit(principal in Role::\"boss\", action == Action::\"read\", resource is Doc);";
    assert!(said(boss).ends_with("none of the `Role`s in the entities"), "{}", said(boss));
}

#[test]
fn unused() {
    let found = |policies: &str, rule: Rule| -> Vec<String> {
        let found = found_in(policies, &LintOptions::default());
        found.iter().filter(|finding| finding.rule == rule).map(|finding| finding.what.to_string()).collect()
    };
    let policies = "permit(principal in Role::\"staff\", action, resource is Doc)
        when { principal.level > 3 && context.device.os == \"linux\" && resource.owner == principal };";
    let entities = found(policies, Rule::UnusedEntity);
    assert_eq!(entities.len(), 1, "{entities:?}");
    assert!(
        entities[0].starts_with("entities.json:4:") && entities[0].contains("Role::\"ghost\""),
        "{entities:?}"
    );

    let attributes = found(policies, Rule::UnusedAttribute).join("\n");
    for unused in ["User.tenant", "Doc.labels", "context.mfa", "context.device.managed", "Person.ssn"] {
        assert!(attributes.contains(&format!("`{unused}`")), "{unused} is not in {attributes}");
    }
    for used in ["User.level", "context.device.os", "`context.device`", "Doc.owner"] {
        assert!(!attributes.contains(used), "{used} is in {attributes}");
    }
}

#[test]
fn annotations_silence() {
    let policy = |allow: &str| format!("{allow} permit(principal, action, resource is Secret);");
    assert_eq!(rules(&policy("")), [Rule::UnconditionalPermit]);
    assert_eq!(rules(&policy("@allow(\"unconditional-permit\")")), []);
    assert_eq!(rules(&policy("@allow(\"covered, unconditional-permit\")")), []);
    assert_eq!(rules(&policy("@allow(\"covered\")")), [Rule::UnconditionalPermit]);
    let mut wrong = rules(&policy("@allow(\"unconditional\")"));
    wrong.sort();
    assert_eq!(wrong, [Rule::UnknownAllow, Rule::UnconditionalPermit]);
}

#[test]
fn findings_have_their_place() {
    let found = found_in("permit(principal, action, resource is Secret)\n;\n", &LintOptions::default());
    let one = found.iter().find(|finding| finding.policy.is_some()).expect("one");
    assert_eq!((one.what.line, one.what.column), (1, 1));
    let found =
        found_in(&forbid("principal.level > 1 &&\n  principal.level + 1 > 5"), &LintOptions::default());
    let one = found.iter().find(|finding| finding.rule == Rule::ForbidCanError).expect("one");
    assert_eq!((one.what.line, one.what.column), (2, 3));
    assert!(one.what.help.is_some());
}

#[test]
fn every_rule_is_described() {
    let page = include_str!("../../../docs/policies.md");
    for rule in Rule::ALL {
        let severity = if rule.severity() == super::Severity::Note { "note" } else { "warning" };
        let row = format!("| `{}` | {severity} |", rule.name());
        assert!(page.contains(&row), "docs/policies.md lacks {row}");
    }
    let section =
        page.split("\n## `lint`").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("section");
    let rows = section.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Rule::ALL.len());
}
