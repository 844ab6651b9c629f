//! What a DPoP proof adds to a request whose token is known, in the simulator: all but the check of the proof's signature, which
//! the gateway lends and here remembers from a run before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_host_sim::{Disposition, Host, Request, verify_signature};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::simulated::{Bank, request};
use countersign_tests::world::START;
use serde_json::{Value, json};

/// The most that a proof may add, in microseconds.
const ASKED: f64 = 15.0;

const TARGET: &str = "https://bank.example/tenants/acme/accounts/a1";

type Verdicts = Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>;

/// Measures, prints, and gives what was measured.
pub(crate) fn measure(rounds: usize) -> Result<Value> {
    let bank = Bank::new()?;
    let holder = SigningKey::new("holder")?;
    let bearer = bank.token()?;
    let cnf = json!({ "cnf": { "jkt": proof::thumbprint(&holder) } });
    let bound = bank.key.sign(&mint::with(&bank.claims(), cnf))?;
    let plain = request("GET", &bearer);
    let proofs = (0..rounds)
        .map(|_| {
            let proof = Proof::new(&holder, "GET", TARGET, &bound, START).sign(&holder)?;
            let mut proved = request("GET", "x").header("dpop", proof);
            proved.headers.set(b"authorization", format!("DPoP {bound}").as_bytes());
            Ok(proved)
        })
        .collect::<Result<Vec<_>>>()?;
    let verdicts = Verdicts::default();
    let mut first = host(&bank, &verdicts)?;
    for proved in &proofs {
        timed(&mut first, proved)?;
    }
    let mut host = host(&bank, &verdicts)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // The first of each is not in the caches yet.
    timed(&mut host, &plain)?;
    for (index, proved) in proofs.iter().enumerate() {
        let (plain, proved) = (timed(&mut host, &plain)?, timed(&mut host, proved)?);
        if index > 0 {
            without.push(plain);
            with.push(proved);
        }
    }
    let (without, with) = (median(without), median(with));
    let added = with - without;
    println!(
        "\n{:<44}{without:>8.1} us\n{:<44}{with:>8.1} us\n{:<44}{added:>8.1} us, asked: less than {ASKED} us, met: {}",
        "a known bearer token",
        "a known bound token with a proof",
        "the proof adds, beside its signature",
        if added < ASKED { "yes" } else { "NO" }
    );
    Ok(json!({ "bearer_us": without, "bound_us": with, "added_us": added, "asked_us": ASKED }))
}

/// A simulator that verifies a signature once, and knows it from then on.
fn host(bank: &Bank, verdicts: &Verdicts) -> Result<Host> {
    let verdicts = Arc::clone(verdicts);
    let lend = Arc::new(move |argument: &[u8]| {
        let mut known = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = known.get(argument) {
            return Ok(verdict.clone());
        }
        let verdict = verify_signature(argument)?;
        known.insert(argument.to_vec(), verdict.clone());
        Ok(verdict)
    });
    Ok(bank.builder()?.foreign_function("verify_signature", lend).start()?)
}

fn timed(host: &mut Host, request: &Request) -> Result<Duration> {
    let measured = host.measure(request, None);
    ensure!(measured.disposition == Disposition::Forwarded, "{:?}", measured.disposition);
    Ok(measured.callbacks)
}

/// In microseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
