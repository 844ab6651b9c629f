//! Expressions that modules hand to the simulator: what reading and evaluating them may take.

use super::{EXPRESSIONS, LENT_EXPRESSIONS, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the length of an expression",
        file: "host-sim/src/cel/mod.rs",
        check: "if text.chars().nth(TEXT).is_some()",
        without: "if false",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "the brackets of an expression",
        file: "host-sim/src/cel/parse.rs",
        check: "if self.nesting >= NESTING",
        without: "if false",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "the depth of an expression",
        file: "host-sim/src/cel/parse.rs",
        check: "if depth > DEPTH",
        without: "if false",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "the depth of an expression's values",
        file: "host-sim/src/cel/value.rs",
        check: "if depth > DEPTH",
        without: "if false",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "the rounds of an expression's loops",
        file: "host-sim/src/cel/evaluate.rs",
        check: "if self.rounds > ROUNDS",
        without: "if false",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "members of objects that an expression lists",
        file: "host-sim/src/cel/evaluate.rs",
        check: "spend(self.work, key.weight() + value.weight())?;",
        without: "let _ = (key, value);",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "keys that an expression looks for",
        file: "host-sim/src/cel/evaluate.rs",
        check: "spend(self.work, item.weight())?;",
        without: "",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "the length of regular expressions",
        file: "host-sim/src/cel/functions.rs",
        check: "REGEX_WORK + REGEX_BYTE_WORK * pattern.len() as u64",
        without: "REGEX_WORK",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "no work left, whatever else decides",
        file: "host-sim/src/cel/evaluate.rs",
        check: "if let Err(Stop::Spent) = other",
        without: "if false",
        tests: EXPRESSIONS,
    },
    Mutant {
        name: "the work of an expression",
        file: "host-sim/src/foreign/expression.rs",
        check: "let mut work = vm.plugin.limits.expression_work;",
        without: "let mut work = u64::MAX / 2;",
        tests: LENT_EXPRESSIONS,
    },
    Mutant {
        name: "the expressions that a VM keeps",
        file: "host-sim/src/foreign/expression.rs",
        check: "if vm.expressions.bytes + size > vm.plugin.limits.expression_bytes",
        without: "if false",
        tests: LENT_EXPRESSIONS,
    },
    Mutant {
        name: "the fuel of expressions",
        file: "host-sim/src/abi/charge.rs",
        check: ".saturating_add(expressions)",
        without: "",
        tests: LENT_EXPRESSIONS,
    },
];
