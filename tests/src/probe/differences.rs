//! What is known to differ between real Envoy and the simulator, and why it stays.

use super::compare::Found;

/// One known difference.
#[derive(Debug)]
pub struct Difference {
    /// What the line of either side holds.
    pub line: &'static str,
    /// How Envoy's line goes on after it; anything where it is empty.
    pub envoy: &'static str,
    /// How the simulator's goes on.
    pub simulator: &'static str,
    /// Why it stays.
    pub reason: &'static str,
}

/// Every difference that is known.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        line: "get_buffer_status(8",
        envoy: "",
        simulator: "",
        reason: "outside a foreign function's callback Envoy's buffer of call data holds what was read of another buffer before; \
                 the simulator's is empty",
    },
    Difference { line: "get_buffer_bytes(8, ", envoy: "", simulator: "", reason: "its bytes, the same" },
    Difference {
        line: r#"get_property("request\x00headers") -> 0 {"#,
        envoy: "",
        simulator: "",
        reason: "Envoy gives the map of all headers in the order of a hash table; the simulator in the order in which they came",
    },
    Difference {
        line: r#"get_property("request\x00headers\x00") -> 0 ""#,
        envoy: "",
        simulator: "",
        reason: "the same map, by a path that ends with a zero byte",
    },
    Difference {
        line: r#"get_property("response\x00headers") -> 0 {"#,
        envoy: "",
        simulator: "",
        reason: "the map of a response's headers, likewise",
    },
    Difference {
        line: r#"get_property("response\x00trailers") -> 0 {"#,
        envoy: "",
        simulator: "",
        reason: "the map of its trailers, likewise",
    },
    Difference {
        line: "response_body get_header_map_size(2) -> 0 ",
        envoy: "80",
        simulator: "47",
        reason: "Envoy has dated a response that was let go, and the module still sees its headers; the simulator dates none",
    },
    Difference {
        line: r#"log get_property("response\x00total_size") -> 0 ""#,
        envoy: r"\xa3",
        simulator: r"\x82",
        reason: "Envoy counts the date that it has given the response",
    },
    Difference {
        line: "service was asked 2 times",
        envoy: "",
        simulator: "",
        reason: "a request that is let go twice, or is let go and passed in one callback, goes upstream twice in Envoy: a fault that \
                 no test should lean on; the simulator sends it once",
    },
    Difference {
        line: r#"call_foreign_function("declare_property", <1: 'd'*70000>"#,
        envoy: r"",
        simulator: r"",
        reason: "the simulator bounds the length of a name that it is to keep",
    },
    Difference {
        line: r#"new_connection get_property("xds\x00cluster_"#,
        envoy: r"",
        simulator: r"",
        reason: "Envoy knows a connection's cluster once it connects to it; a property that a test sets is there from the beginning",
    },
    Difference {
        line: r#"get_property("response\x00flags") -> 0 ""#,
        envoy: r"\x10",
        simulator: r"\x00",
        reason: "Envoy's flags say that it was the upstream that broke off; the simulator is told that the connection ends, not why",
    },
];

impl Difference {
    /// Its row of docs/fidelity.md.
    pub fn row(&self) -> String {
        format!("| `{}` | {} |", self.line.trim_end(), self.reason)
    }

    /// Whether this is it.
    pub fn explains(&self, found: &Found) -> bool {
        let holds = |line: &Option<String>, goes_on: &str| match line {
            Some(line) => line.split_once(self.line).is_some_and(|(_, rest)| rest.starts_with(goes_on)),
            None => goes_on.is_empty(),
        };
        holds(&found.envoy, self.envoy) && holds(&found.simulator, self.simulator)
    }
}
