//! Every counter, gauge and histogram.

use super::cell;
use countersign_core::crypto::Algorithm;
use countersign_core::metrics::{
    CacheGauge, CacheName, Counter, IssuerGauge, RevocationGauge, Stage, TABLES_NAME, by_host_name,
    stage_name,
};
use serde_json::{Value, json};
use std::fmt::Write;

const TABLES: &str = "keys for which the module has a table, by which it verifies faster; at most eight";

/// The page.
pub(crate) fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         The filter defines all of them when it is configured. Envoy shows them as `wasmcustom.<name>`; its Prometheus page turns \
         dots into underscores.\n\n\
         ## Counters\n\n| Name | Counts |\n| --- | --- |\n",
    );
    for counter in Counter::all() {
        _ = writeln!(page, "| `{}` | {} |", counter.name(), cell(&counts(counter)));
    }
    page.push_str(
        "\n## Gauges\n\nEach worker sets them when it is configured, and when they change.\n\n| Name | Says |\n| --- | --- |\n",
    );
    for algorithm in Algorithm::ALL {
        _ = writeln!(page, "| `{}` | {} |", by_host_name(algorithm), says(algorithm));
    }
    _ = writeln!(page, "| `{TABLES_NAME}` | {TABLES} |");
    page.push_str(
        "\nFor each issuer, on every tick. `<issuer>` is its name without the scheme, in lower case, with one `_` for whatever is no letter or \
         digit, 64 bytes at most, such as `login_bank_example_realms_one`; where two issuers would have the same, the later one has `_2` \
         behind it. All workers set the same gauge.\n\n| Name | Says |\n| --- | --- |\n",
    );
    for gauge in IssuerGauge::ALL {
        _ = writeln!(page, "| `{}` | {} |", gauge.name("<issuer>"), gauge.help());
    }
    page.push_str(
        "\nFor each issuer that has `revocation`, on every tick: of all its documents together, as the worker holds them in which it changed last.\n\n\
         | Name | Says |\n| --- | --- |\n",
    );
    for gauge in RevocationGauge::ALL {
        _ = writeln!(page, "| `{}` | {} |", gauge.name("<issuer>"), gauge.help());
    }
    page.push_str(
        "\nFor each cache, on every tick. A worker has caches of its own, and all set the same gauge: it shows the worker in which \
         it changed last. Used proofs are shared; what other workers did with them is seen within 32 seconds.\n\n\
         | Name | Says |\n| --- | --- |\n",
    );
    for (gauge, cache) in caches() {
        _ = writeln!(page, "| `{}` | {} |", gauge.name(cache), gauge.help(cache));
    }
    page.push_str("\n## Histograms\n\n| Name | Unit | Measures |\n| --- | --- | --- |\n");
    for stage in Stage::ALL {
        _ = writeln!(page, "| `{}` | nanoseconds | {} |", stage_name(stage), measures(stage));
    }
    page
}

/// The same as data.
pub(crate) fn data() -> Value {
    let counters: Vec<Value> = Counter::all()
        .into_iter()
        .map(|counter| json!({ "name": counter.name(), "help": counts(counter) }))
        .collect();
    let histograms: Vec<Value> = Stage::ALL
        .into_iter()
        .map(|stage| json!({ "name": stage_name(stage), "unit": "ns", "help": measures(stage) }))
        .collect();
    let mut gauges: Vec<Value> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| json!({ "name": by_host_name(algorithm), "help": says(algorithm) }))
        .chain(IssuerGauge::ALL.map(|gauge| json!({ "name": gauge.name("<issuer>"), "help": gauge.help() })))
        .chain(
            RevocationGauge::ALL.map(|gauge| json!({ "name": gauge.name("<issuer>"), "help": gauge.help() })),
        )
        .collect();
    gauges.extend(
        caches().map(|(gauge, cache)| json!({ "name": gauge.name(cache), "help": gauge.help(cache) })),
    );
    gauges.push(json!({ "name": TABLES_NAME, "help": TABLES }));
    json!({ "counters": counters, "gauges": gauges, "histograms": histograms })
}

fn caches() -> impl Iterator<Item = (CacheGauge, CacheName)> {
    CacheName::ALL.into_iter().flat_map(|cache| CacheGauge::ALL.map(|gauge| (gauge, cache)))
}

fn says(algorithm: Algorithm) -> String {
    format!("1: the gateway's own code verifies {algorithm}; 0: the module does, or no issuer uses it")
}

fn counts(counter: Counter) -> String {
    match counter {
        Counter::Refused(reason) => format!("refusals: {}", reason.title()),
        counter => String::from(counter.help()),
    }
}

fn measures(stage: Stage) -> &'static str {
    match stage {
        Stage::Admit => "path, route and the caller's workload identity",
        Stage::Authenticate => "the credential, from the cache or by verification",
        Stage::Identify => "principal, resource and context",
        Stage::Authorize => "the policy decision",
    }
}
