//! A resource that is one of the request's own parties: what a client says of it never becomes what is known of the party.

use anyhow::Result;
use countersign_tests::world::{Ask, World};
use countersign_tests::{mint, policies};
use serde_json::{Value, json};

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] { tenant: String, admin?: Bool };
entity Agent { trusted?: Bool };
entity Workload { trusted?: Bool };
action Read appliesTo {
  principal: [User, Agent, Workload], resource: [User, Agent, Workload],
  context: { subject?: User, workload?: Workload }
};
"#;

const POLICIES: &str = r#"
@id("admins") permit(principal is User, action, resource) when { principal has admin && principal.admin };
@id("oneself") permit(principal, action, resource) when { principal == resource };
@id("agents") permit(principal is Agent, action, resource) when { principal has trusted && principal.trusted };
@id("for-admins") permit(principal is Agent, action, resource)
when { context has subject && context.subject has admin && context.subject.admin };
@id("workloads") permit(principal is Workload, action, resource)
when { principal has trusted && principal.trusted };
@id("by-workloads") permit(principal is User, action, resource)
when { context has workload && context.workload has trusted && context.workload.trusted };
"#;

fn configured() -> Result<World> {
    let image = policies::base64(&policies::image(SCHEMA, POLICIES)?);
    World::configured(|config| {
        config["policy"]["image"] = image.into();
        config["forward"] = json!({});
        config["context"] = json!({});
        config["issuers"][0]["principal"]["attributes"] =
            json!({ "tenant": { "claim": "tenant" }, "admin": { "claim": "admin" } });
        config["issuers"][0]["delegation"] = json!({ "actor": {} });
        let route = |name: &str, path: &str, resource: Value| json!({ "name": name, "methods": ["GET"], "path": path, "action": "Read", "resource": resource });
        let told = json!({ "tenant": { "path": "tenant" }, "admin": { "query": "admin" } });
        let trusted = json!({ "trusted": { "header": "x-trusted" } });
        let mut routes = [
            route(
                "user",
                "/tenants/{tenant}/users/{user}",
                json!({ "type": "User", "id": "{user}", "attributes": told }),
            ),
            route("agent", "/agents/{id}", json!({ "type": "Agent", "id": "{id}", "attributes": trusted })),
            route("bare", "/bare/{id}", json!({ "type": "Agent", "id": "{id}" })),
            route(
                "by",
                "/by/{id...}",
                json!({ "type": "Workload", "id": "spiffe://{id}", "attributes": trusted }),
            ),
            route(
                "job",
                "/job/{id...}",
                json!({ "type": "Workload", "id": "spiffe://{id}", "attributes": trusted }),
            ),
        ];
        routes[0]["context"] = json!({ "subject": { "token": "subject" } });
        routes[3]["context"] = json!({ "workload": { "workload": "entity" } });
        routes[4]["principal"] = json!("workload");
        config["routes"] = json!(routes);
    })
}

#[test]
fn what_a_client_says_of_a_party_is_not_known_of_it() -> Result<()> {
    const CONFLICT: &str = "policy.entity_conflict";
    const ASKED: &str = "policy.not_permitted";
    let agent = json!({ "act": { "sub": "assistant" } });
    let for_admin = json!({ "act": { "sub": "assistant" }, "admin": true });
    let mut world = configured()?;
    for (name, path, trusted, claims, expected) in [
        ("the principal", "/tenants/acme/users/alice?admin=true", "", json!({}), CONFLICT),
        ("the principal elsewhere", "/tenants/other/users/alice", "", json!({}), CONFLICT),
        ("the subject", "/tenants/acme/users/alice?admin=true", "", agent.clone(), CONFLICT),
        ("the actor", "/agents/assistant", "true", agent.clone(), CONFLICT),
        ("the workload beside", "/by/bank.example/orchestrator", "true", json!({}), CONFLICT),
        ("the workload itself", "/job/bank.example/orchestrator", "true", json!({}), CONFLICT),
        (
            "less than the token says",
            "/tenants/acme/users/alice?admin=false",
            "",
            json!({ "admin": true }),
            CONFLICT,
        ),
        // Others, and parties of whom nothing else is said.
        ("another user", "/tenants/acme/users/bob?admin=true", "", json!({}), ASKED),
        ("another agent", "/agents/planner", "true", agent.clone(), ASKED),
        ("a user by an agent's name", "/agents/alice", "true", json!({}), ASKED),
        ("another workload", "/by/bank.example/other", "true", json!({}), ASKED),
        ("another workload than itself", "/job/bank.example/other", "true", json!({}), ASKED),
        ("oneself", "/tenants/acme/users/alice", "", json!({}), "allow"),
        ("as the token says", "/tenants/acme/users/alice?admin=true", "", json!({ "admin": true }), "allow"),
        ("the subject of whom it is true", "/tenants/acme/users/alice", "", for_admin, "allow"),
        ("an agent alone", "/agents/assistant", "", agent.clone(), "allow"),
        ("an agent without a mapping", "/bare/assistant", "true", agent, "allow"),
        ("a workload alone", "/job/bank.example/orchestrator", "", json!({}), "allow"),
    ] {
        let token = world.key.sign(&mint::with(&world.claims(), claims))?;
        let mut ask = Ask::new("GET", path);
        if !path.starts_with("/job") {
            ask = ask.bearer(&token);
        }
        if !trusted.is_empty() {
            ask = ask.header("x-trusted", trusted);
        }
        assert_eq!(world.verdict(&ask), expected, "{name}");
    }
    Ok(())
}
