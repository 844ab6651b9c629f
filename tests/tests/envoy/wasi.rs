//! Every function of WASI, with good and bad arguments, in the simulator and in real Envoy: what it returns, and what it writes.

use std::fmt::Write;

use anyhow::{Result, ensure};
use countersign_host_sim::Engine;
use countersign_tests::bootstrap::{Bootstrap, direct};
use countersign_tests::envoy::Envoy;
use countersign_tests::samples;

/// Descriptors that are tried: standard input, the outputs, and two that are not there.
const DESCRIPTORS: [i64; 5] = [0, 1, 2, 3, 9];

/// An address beyond the one page of memory.
const BEYOND: i64 = 70_000;

/// Functions of a descriptor, by the types of all their parameters, and what follows the descriptor. 16 holds a vector of eight
/// bytes at 64; 128 to 160 is looked at afterwards.
const OF_DESCRIPTORS: [(&str, &str, &[i64]); 21] = [
    ("fd_advise", "iIIi", &[0, 0, 0]),
    ("fd_allocate", "iII", &[0, 0]),
    ("fd_close", "i", &[]),
    ("fd_datasync", "i", &[]),
    ("fd_fdstat_get", "ii", &[128]),
    ("fd_fdstat_set_flags", "ii", &[4]),
    ("fd_fdstat_set_rights", "iII", &[0, 0]),
    ("fd_filestat_get", "ii", &[128]),
    ("fd_filestat_set_size", "iI", &[0]),
    ("fd_filestat_set_times", "iIIi", &[0, 0, 0]),
    ("fd_pread", "iiiIi", &[16, 1, 0, 128]),
    ("fd_prestat_dir_name", "iii", &[128, 8]),
    ("fd_prestat_get", "ii", &[128]),
    ("fd_pwrite", "iiiIi", &[16, 1, 0, 128]),
    ("fd_read", "iiii", &[16, 1, 128]),
    ("fd_readdir", "iiiIi", &[136, 16, 0, 128]),
    ("fd_renumber", "ii", &[2]),
    ("fd_seek", "iIii", &[0, 1, 128]),
    ("fd_sync", "i", &[]),
    ("fd_tell", "ii", &[128]),
    ("fd_write", "iiii", &[16, 1, 128]),
];

/// Other functions, and arguments out of bounds. Not here: clocks and randomness, whose answers differ by their nature.
const OTHERS: [(&str, &str, &[i64]); 39] = [
    ("args_get", "ii", &[128, 144]),
    ("args_sizes_get", "ii", &[128, 144]),
    ("args_sizes_get", "ii", &[128, BEYOND]),
    ("clock_res_get", "ii", &[0, 128]),
    ("clock_res_get", "ii", &[1, 128]),
    ("clock_res_get", "ii", &[2, 128]),
    ("clock_res_get", "ii", &[0, BEYOND]),
    ("clock_time_get", "iIi", &[2, 0, 128]),
    ("clock_time_get", "iIi", &[0, 0, BEYOND]),
    ("environ_get", "ii", &[128, 144]),
    ("environ_sizes_get", "ii", &[128, 144]),
    ("environ_sizes_get", "ii", &[BEYOND, 144]),
    ("fd_fdstat_get", "ii", &[1, BEYOND]),
    ("fd_pwrite", "iiiIi", &[1, 16, 1, 0, BEYOND]),
    ("fd_readdir", "iiiIi", &[3, 136, 16, 0, BEYOND]),
    ("fd_tell", "ii", &[1, BEYOND]),
    ("fd_write", "iiii", &[1, BEYOND, 1, 128]),
    ("fd_write", "iiii", &[1, 16, 1, BEYOND]),
    ("fd_write", "iiii", &[1, 16, 0, 128]),
    ("path_create_directory", "iii", &[3, 64, 4]),
    ("path_filestat_get", "iiiii", &[3, 0, 64, 4, 128]),
    ("path_filestat_set_times", "iiiiIIi", &[3, 0, 64, 4, 0, 0, 0]),
    ("path_link", "iiiiii", &[3, 0, 64, 4, 3, 64]),
    ("path_open", "iiiiiIIii", &[3, 0, 64, 4, 0, 0, 0, 0, 128]),
    ("path_readlink", "iiiiii", &[3, 64, 4, 136, 16, 128]),
    ("path_remove_directory", "iii", &[3, 64, 4]),
    ("path_rename", "iiiiii", &[3, 64, 4, 3, 64, 4]),
    ("path_symlink", "iiii", &[64, 4, 3, 64]),
    ("path_unlink_file", "iii", &[3, 64, 4]),
    ("poll_oneoff", "iiii", &[64, 136, 1, 128]),
    ("poll_oneoff", "iiii", &[64, 136, 1, BEYOND]),
    ("random_get", "ii", &[BEYOND, 8]),
    ("random_get", "ii", &[BEYOND, 0]),
    ("random_get", "ii", &[128, 65_537]),
    ("sched_yield", "", &[]),
    ("sock_accept", "iii", &[3, 0, 128]),
    ("sock_recv", "iiiiii", &[3, 16, 1, 0, 128, 136]),
    ("sock_send", "iiiii", &[3, 16, 1, 0, 128]),
    ("sock_shutdown", "ii", &[3, 0]),
];

/// Every call: name, types, arguments.
fn calls() -> Vec<(&'static str, &'static str, Vec<i64>)> {
    let mut out = Vec::new();
    for (name, types, rest) in OF_DESCRIPTORS {
        out.extend(DESCRIPTORS.iter().map(|fd| (name, types, [&[*fd][..], rest].concat())));
    }
    out.extend(OTHERS.map(|(name, types, arguments)| (name, types, arguments.to_vec())));
    out
}

fn ty(letter: char) -> &'static str {
    if letter == 'I' { "i64" } else { "i32" }
}

/// A module that makes every call when its VM starts, and logs for each its number, what it returned, and the memory after it, in
/// hexadecimal.
fn module() -> String {
    let (mut imports, mut body) = (String::new(), String::new());
    let mut named: Vec<&str> = Vec::new();
    for (number, (name, types, arguments)) in calls().into_iter().enumerate() {
        if !named.contains(&name) {
            named.push(name);
            let params: Vec<_> = types.chars().map(ty).collect();
            let _ = write!(
                imports,
                r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {}) (result i32)))"#,
                params.join(" ")
            );
        }
        let arguments: String =
            types.chars().zip(&arguments).map(|(letter, n)| format!(" ({}.const {n})", ty(letter))).collect();
        let _ = write!(body, "(call $prepare) (call $tell (i32.const {number}) (call ${name}{arguments}))");
    }
    format!(
        r#"(module {imports}
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 64) "a vector")
          (data (i32.const 192) "tried ")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func $prepare
            (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 8))
            (memory.fill (i32.const 128) (i32.const 0xaa) (i32.const 32)))
          (func $digit (param $at i32) (param $n i32)
            (i32.store8 (local.get $at)
              (i32.add (local.get $n) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $n) (i32.const 10))))))
          (func $hex (param $at i32) (param $n i32)
            (call $digit (local.get $at) (i32.shr_u (local.get $n) (i32.const 4)))
            (call $digit (i32.add (local.get $at) (i32.const 1)) (i32.and (local.get $n) (i32.const 15))))
          (func $tell (param $number i32) (param $errno i32) (local $i i32)
            (call $hex (i32.const 198) (i32.shr_u (local.get $number) (i32.const 8)))
            (call $hex (i32.const 200) (i32.and (local.get $number) (i32.const 255)))
            (i32.store8 (i32.const 202) (i32.const 32))
            (call $hex (i32.const 203) (i32.and (local.get $errno) (i32.const 255)))
            (i32.store8 (i32.const 205) (i32.const 32))
            (loop $next
              (call $hex (i32.add (i32.const 206) (i32.shl (local.get $i) (i32.const 1)))
                (i32.load8_u (i32.add (i32.const 128) (local.get $i))))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $i) (i32.const 32))))
            (drop (call $log (i32.const 2) (i32.const 192) (i32.const 78))))
          (func (export "proxy_on_vm_start") (param i32 i32) (result i32) {body} (i32.const 1)))"#
    )
}

/// The lines that tell of a call, without those of a second start, and what was written to the outputs.
fn told<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines.filter_map(|line| line.find("tried ").map(|at| line.split_at(at).1)) {
        if !out.iter().any(|told| told == line) {
            out.push(line.to_owned());
        }
    }
    out
}

#[test]
fn wasi_answers_as_in_envoy() -> Result<()> {
    let text = module();
    let engine = Engine::builder().cache_dir(None).build()?;
    let mut host = engine.load_module(text.as_bytes())?.host().start()?;
    let logs: Vec<String> = host.take_logs().into_iter().map(|line| line.message).collect();
    let simulated = told(logs.iter().map(String::as_str));
    let written = logs.iter().filter(|line| *line == "a vector").count();

    let file =
        countersign_tests::root().join("target/envoy").join(format!("wasi-{}.wasm", std::process::id()));
    std::fs::create_dir_all(countersign_tests::root().join("target/envoy"))?;
    std::fs::write(&file, wat::parse_str(&text)?)?;
    let config =
        Bootstrap::default().filter(samples::filter(&file.to_string_lossy())).route(direct("/", 200));
    let (taken, log) = Envoy::validate(&config.to_json().to_string())?;
    std::fs::remove_file(&file)?;
    ensure!(taken, "{log}");
    let real = told(log.lines());

    let calls = calls();
    assert_eq!((simulated.len(), real.len()), (calls.len(), calls.len()));
    let differences: Vec<String> = calls
        .iter()
        .zip(simulated.iter().zip(&real))
        .filter(|(_, (simulated, real))| simulated != real)
        .map(|((name, _, arguments), (simulated, real))| {
            format!("{name} {arguments:?}:\n  {simulated} here\n  {real} in Envoy")
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // Two outputs, by two functions, and a call that could not say how much it wrote, by both.
    assert_eq!(written, 6);
    let real = log.lines().filter(|line| line.ends_with(": a vector")).count();
    assert_eq!(real % written, 0, "{real} lines in Envoy");
    Ok(())
}
