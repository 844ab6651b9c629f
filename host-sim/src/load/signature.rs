//! The types of what a module imports and exports, held against the ABI's.

use wasmtime::{ExternType, FuncType, Module, ValType};

use crate::abi::{self, Callback};
use crate::error::LoadError;
use crate::module::AbiVersion;

/// How a module may allocate: hosts look for the first, then for the second.
const ALLOCATORS: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];

/// Exports that hosts look for beside the callbacks: how many parameters, all `i32`, and whether there is a result, `i32` as well.
const OTHERS: [(&str, usize, bool); 6] = [
    ("_initialize", 0, false),
    ("_start", 0, false),
    ("main", 2, true),
    ("malloc", 1, true),
    ("proxy_on_memory_allocate", 1, true),
    ("proxy_validate_configuration", 2, true),
];

/// Every import is a function that the host has, of the host's type, or memory or a table, which the host makes.
pub(crate) fn check_imports(wasm: &Module, abi: AbiVersion) -> Result<(), LoadError> {
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for import in wasm.imports() {
        // Names are anybody's texts, and stand in one line.
        let name = format!("`{}.{}`", import.module().escape_debug(), import.name().escape_debug());
        match import.ty() {
            ExternType::Memory(_) | ExternType::Table(_) => {}
            ExternType::Func(found) => match abi::signature(import.module(), import.name(), abi) {
                None => missing.push(name),
                Some((params, result)) => {
                    if !same(&found, &params, result.as_ref()) {
                        wrong.push(mismatch("import", &name, &found, &params, result.as_ref()));
                    }
                }
            },
            _ => missing.push(name),
        }
    }
    if !missing.is_empty() {
        return Err(LoadError::MissingImports(missing));
    }
    if wrong.is_empty() { Ok(()) } else { Err(LoadError::Signature(wrong.join("; "))) }
}

/// Every export that hosts look for is of the type that they call it by, and one of them allocates.
pub(crate) fn check_exports(wasm: &Module, abi: AbiVersion) -> Result<(), LoadError> {
    let function = |name: &str| match wasm.get_export(name) {
        Some(ExternType::Func(found)) => Some(found),
        _ => None,
    };
    let mut wrong = Vec::new();
    let callbacks =
        Callback::ALL.iter().map(|callback| (callback.name, callback.params_in(abi), callback.result));
    for (name, params, result) in OTHERS.into_iter().chain(callbacks) {
        let Some(found) = function(name) else { continue };
        if !is_looked_for(name, &function, abi) {
            continue;
        }
        let params = vec![ValType::I32; params];
        let result = result.then_some(ValType::I32);
        if !same(&found, &params, result.as_ref()) {
            wrong.push(mismatch("export", &format!("`{name}`"), &found, &params, result.as_ref()));
        }
    }
    if !wrong.is_empty() {
        return Err(LoadError::Signature(wrong.join("; ")));
    }
    if ALLOCATORS.iter().all(|name| function(name).is_none()) {
        return Err(LoadError::MissingExport("an allocator: `proxy_on_memory_allocate` or `malloc`"));
    }
    Ok(())
}

/// Some exports are looked for only in the absence or presence of others.
fn is_looked_for(name: &str, function: &impl Fn(&str) -> Option<FuncType>, abi: AbiVersion) -> bool {
    match name {
        "main" => function("_initialize").is_some(),
        "_start" => function("_initialize").is_none(),
        "proxy_on_memory_allocate" => function("malloc").is_none(),
        "proxy_on_foreign_function" => abi != AbiVersion::V0_1_0,
        _ => true,
    }
}

fn same(found: &FuncType, params: &[ValType], result: Option<&ValType>) -> bool {
    let equal = |found: ValType, expected: &ValType| ValType::eq(&found, expected);
    found.params().len() == params.len()
        && found.results().len() == usize::from(result.is_some())
        && found.params().zip(params).all(|(found, expected)| equal(found, expected))
        && found.results().zip(result).all(|(found, expected)| equal(found, expected))
}

fn mismatch(
    what: &str,
    name: &str,
    found: &FuncType,
    params: &[ValType],
    result: Option<&ValType>,
) -> String {
    let shown = |params: Vec<String>, results: Vec<String>| {
        let params = params.join(", ");
        if results.is_empty() {
            format!("({params})")
        } else {
            format!("({params}) -> {}", results.join(", "))
        }
    };
    let text = |types: &mut dyn Iterator<Item = ValType>| types.map(|ty| ty.to_string()).collect::<Vec<_>>();
    let found = shown(text(&mut found.params()), text(&mut found.results()));
    let expected = shown(text(&mut params.iter().cloned()), text(&mut result.into_iter().cloned()));
    format!("{what} {name} is {found}, expected {expected}")
}
