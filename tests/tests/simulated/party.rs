//! A second party that fails in every way, under a steady load of good and bad requests: what is common to all such parties. Nothing
//! bad is allowed, nothing that is known to be good is refused, nobody is held past the deadline or gets what is another's, and the party
//! is left alone.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use countersign_host_sim::{
    Host, HostBuilder, Message, Outcome, Request, Response, StreamId, Upstream, UpstreamReply,
};
use countersign_tests::simulated::verdict;

/// Where the party is.
pub(crate) const CLUSTER: &str = "issuer";

/// How long a request may be held.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(200);

/// How many questions may be open at once.
pub(crate) const CALLS: usize = 8;

/// How often requests come, in a load.
pub(crate) const BEAT: Duration = Duration::from_millis(40);

/// How late a party answers that is slow, and in time.
pub(crate) const LATE: Duration = Duration::from_millis(100);

/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(10);

/// Questions that a fault of that length brings about at most, where it has the party left alone: two tries for each that may be open
/// when it begins, and what tries the party again after 1, 2 and 4 seconds.
const MOST: usize = 2 * CALLS + 3;

/// A gateway with a second party, and who comes to it.
pub(crate) trait Scene {
    /// What is asked for, in the plural.
    const ASKED: &'static str;
    /// How many questions about what nobody knows yet may be open.
    const OPEN: usize;
    /// Whether a new worker finds what the others have got.
    const SHARED: bool;
    /// Why those are refused who got no answer.
    const UNAVAILABLE: &'static str;

    /// The gateway.
    fn builder(&self) -> Result<HostBuilder>;
    /// The party, which does its work and answers so late.
    fn party(&self, after: Duration) -> Upstream;
    /// A good request about which the party is asked once.
    fn known(&self) -> Request;
    /// Requests that are decided without the party, and how.
    fn decided(&self) -> &[(Request, &'static str)];
    /// A good request about which the party was not asked yet, by its number.
    fn good(&self, number: usize) -> Result<Request>;
    /// A bad one, and why it is refused where the party does its work.
    fn bad(&self, number: usize) -> Result<(Request, &'static str)>;
    /// Whether what went upstream is what should have.
    fn check(&self, sent: &Message) -> Result<()>;

    /// The gateway with such a party, started.
    fn start(&self, party: Upstream) -> Result<Host> {
        Ok(self.builder()?.cluster(CLUSTER, party).start()?)
    }
}

/// A way to fail.
pub(crate) struct Fault {
    name: &'static str,
    party: Upstream,
    /// Why those are refused who wait for such an answer.
    reason: Option<&'static str>,
    /// Whether the party is left alone for it; else it is asked once about each.
    is_given_up: bool,
}

impl Fault {
    /// One after which the party is left alone.
    pub(crate) fn new(name: &'static str, reply: UpstreamReply) -> Self {
        Self::by(name, Upstream::always(reply))
    }

    /// The same, with an answer that depends on what is asked.
    pub(crate) fn by(name: &'static str, party: Upstream) -> Self {
        Self { name, party, reason: None, is_given_up: true }
    }

    /// One for which a client may be to blame, so that others go on asking.
    pub(crate) fn of_the_question(name: &'static str, reply: UpstreamReply) -> Self {
        Self { is_given_up: false, ..Self::new(name, reply) }
    }

    /// Those who wait are refused for this.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

pub(crate) fn json_reply(body: &str) -> UpstreamReply {
    typed_reply("application/json", body)
}

pub(crate) fn typed_reply(content_type: &str, body: &str) -> UpstreamReply {
    UpstreamReply::response(Response::new(200).header("content-type", content_type).body(body))
}

/// The ways in which every party can fail whose good answer is this.
pub(crate) fn faults(good: &str) -> Vec<Fault> {
    let huge = good.replacen('{', &format!("{{\"padding\":\"{}\",", "x".repeat(1 << 20)), 1);
    [
        ("slow", json_reply(good).after(TIMEOUT * 4)),
        ("silent", UpstreamReply::never()),
        ("down", UpstreamReply::refused()),
        ("broken off", UpstreamReply::reset()),
        ("failing", UpstreamReply::status(500)),
        ("not letting the gateway in", UpstreamReply::status(401)),
        ("asked too often", UpstreamReply::status(429)),
        ("half-sent", json_reply(&good[..good.len() / 2])),
        ("huge", json_reply(&huge)),
        ("a page", typed_reply("text/html", good)),
        ("of a type that is made up", typed_reply("application/json+html", good)),
    ]
    .map(|(name, reply)| Fault::new(name, reply))
    .into()
}

/// A request that waits.
struct Held {
    stream: StreamId,
    expected: &'static str,
    since: usize,
}

/// A steady load.
struct Load<'a, S> {
    host: Host,
    scene: &'a S,
    beats: usize,
    held: Vec<Held>,
    /// Why requests may be refused, beside what is expected of them.
    excused: Vec<&'static str>,
    /// What became of new good requests since the last time somebody looked.
    fresh: Vec<String>,
}

impl<'a, S: Scene> Load<'a, S> {
    /// With one good request that the worker knows.
    fn start(scene: &'a S) -> Result<Self> {
        let host = scene.start(scene.party(Duration::ZERO))?;
        let excused = vec![S::UNAVAILABLE, "limit.pending"];
        let mut load = Self { host, scene, beats: 0, held: Vec::new(), excused, fresh: Vec::new() };
        load.learn()?;
        Ok(load)
    }

    /// Has the worker ask about what it is to know.
    fn learn(&mut self) -> Result<()> {
        let stream = self.host.request(&self.scene.known());
        self.host.advance(LATE + BEAT);
        let found = verdict(&self.host.outcome(stream));
        ensure!(found == "allow", "what is to be known: {found}");
        self.host.close(stream);
        Ok(())
    }

    /// A known request and those that are decided at once, then a new good and a new bad one, and what became of those that waited.
    fn beat(&mut self) -> Result<()> {
        self.beats += 1;
        let known = (self.scene.known(), "allow");
        for (request, expected) in [&known].into_iter().chain(self.scene.decided()) {
            let outcome = self.host.run(request);
            let found = verdict(&outcome);
            ensure!(found == *expected, "expected {expected}, found {found}");
            if let Outcome::Forwarded(sent) = &outcome {
                self.scene.check(sent)?;
            }
        }
        for (request, expected) in [(self.scene.good(self.beats)?, "allow"), self.scene.bad(self.beats)?] {
            let stream = self.host.request(&request);
            self.held.push(Held { stream, expected, since: self.beats });
        }
        self.host.advance(BEAT);
        self.look()
    }

    /// What became of those that waited; none may for longer than [`TIMEOUT`].
    fn look(&mut self) -> Result<()> {
        for held in std::mem::take(&mut self.held) {
            let outcome = self.host.outcome(held.stream);
            let found = verdict(&outcome);
            let late = BEAT * u32::try_from(self.beats - held.since)? > TIMEOUT;
            if found == "held" && !late {
                self.held.push(held);
                continue;
            }
            let right = found == held.expected || self.excused.contains(&&*found);
            ensure!(right, "expected {}, found {found}", held.expected);
            if let Outcome::Forwarded(sent) = &outcome {
                self.scene.check(sent)?;
            }
            if held.expected == "allow" {
                self.fresh.push(found);
            }
            self.host.close(held.stream);
        }
        Ok(())
    }

    fn run(&mut self, time: Duration) -> Result<Vec<String>> {
        self.fresh.clear();
        for _ in 0..time.as_millis() / BEAT.as_millis() {
            self.beat()?;
        }
        Ok(std::mem::take(&mut self.fresh))
    }

    /// So that every new good request is allowed.
    fn run_well(&mut self, time: Duration) -> Result<()> {
        let fresh = self.run(time)?;
        ensure!(!fresh.is_empty() && fresh.iter().all(|verdict| verdict == "allow"), "{fresh:?}");
        Ok(())
    }
}

/// Under load, a party that fails is left alone and costs nothing that is known.
pub(crate) fn fails_under_load<S: Scene>(scene: &S, faults: Vec<Fault>) -> Result<()> {
    for fault in faults {
        let name = fault.name;
        fails(scene, fault).context(name)?;
    }
    Ok(())
}

fn fails<S: Scene>(scene: &S, fault: Fault) -> Result<()> {
    let mut load = Load::start(scene)?;
    load.run_well(Duration::from_secs(1))?;

    load.host.set_cluster(CLUSTER, fault.party);
    load.host.take_calls();
    load.excused.extend(fault.reason);
    // What was asked before may be answered yet.
    load.run(BEAT)?;
    let fresh = load.run(FAULT)?;
    ensure!(!fresh.is_empty() && fresh.iter().all(|verdict| verdict != "allow"), "{fresh:?}");
    if let Some(reason) = fault.reason {
        ensure!(fresh.iter().all(|verdict| verdict == reason), "{fresh:?}");
    }
    let (calls, new) = (load.host.take_calls().len(), 2 * (FAULT + BEAT).as_millis() / BEAT.as_millis());
    println!("{}: {calls} {} for {new} new tokens", fault.name, S::ASKED);
    let opened = load.host.metrics().counter("countersign.breaker.opened");
    if fault.is_given_up {
        ensure!((5..=MOST).contains(&calls) && opened >= 1, "{calls} {}, opened {opened} times", S::ASKED);
    } else {
        ensure!(calls as u128 == new && opened == 0, "{calls} {}, opened {opened} times", S::ASKED);
    }

    // One probe finds that it is well again.
    load.host.set_cluster(CLUSTER, scene.party(Duration::ZERO));
    let mut waited = Duration::ZERO;
    while !load.run(BEAT)?.iter().any(|verdict| verdict == "allow") {
        waited += BEAT;
        ensure!(waited < Duration::from_secs(40), "it does not recover");
    }
    load.excused.retain(|reason| Some(*reason) != fault.reason);
    load.run_well(Duration::from_secs(1))?;
    ensure!(!load.host.has_failed(0), "the VM failed");
    Ok(())
}

/// Under load, the worker is replaced again and again while it asks.
pub(crate) fn is_restarted_under_load<S: Scene>(scene: &S) -> Result<()> {
    const RESTARTS: usize = 5;
    let mut load = Load::start(scene)?;
    load.host.set_cluster(CLUSTER, scene.party(LATE));
    load.host.take_calls();
    for _ in 0..RESTARTS {
        load.run_well(Duration::from_secs(1))?;
        ensure!(!load.held.is_empty(), "nobody waits");
        load.host.restart(0)?;
        for held in std::mem::take(&mut load.held) {
            let outcome = load.host.outcome(held.stream);
            ensure!(outcome.forwarded().is_none(), "nobody had judged it: {outcome:?}");
        }
        load.learn()?;
    }
    load.run_well(Duration::from_secs(1))?;
    let (calls, new) = (load.host.take_calls().len(), 2 * load.beats);
    println!("{RESTARTS} workers replaced: {calls} {} for {new} new tokens", S::ASKED);
    let anew = if S::SHARED { 0 } else { RESTARTS };
    ensure!(calls == new + anew, "one for each, and what each worker is to know");
    Ok(())
}

/// Under load, the clock steps forth and back while some wait.
pub(crate) fn lives_with_clock_steps<S: Scene>(scene: &S) -> Result<()> {
    const SILENT: u32 = 1;
    let mut load = Load::start(scene)?;
    load.host.set_cluster(CLUSTER, scene.party(LATE));
    load.host.take_calls();
    let mut steps = 0;
    // Never to where the tokens of the load are not good.
    for seconds in [30, -30, 60, -20, -40, 100, -100] {
        steps += 1;
        load.run_well(Duration::from_secs(1))?;
        // Some wait for an answer that comes, and some for one that never does.
        load.host.set_cluster(CLUSTER, Upstream::always(UpstreamReply::never()));
        load.run(BEAT * SILENT)?;
        ensure!(load.held.len() > 2 * SILENT as usize, "nobody waits for an answer that comes");
        load.host.step_clock(seconds);
        // Forth, the time of those who wait is over at once.
        load.excused.push("system.timeout");
        while !load.held.is_empty() {
            load.beats += 1;
            load.host.advance(BEAT);
            load.look().with_context(|| format!("a step of {seconds} s"))?;
        }
        load.excused.retain(|reason| *reason != "system.timeout");
        load.host.set_cluster(CLUSTER, scene.party(LATE));
        // The breaker may have opened.
        load.host.advance(Duration::from_secs(2));
        load.learn().with_context(|| format!("after a step of {seconds} s"))?;
    }
    load.run_well(Duration::from_secs(1))?;
    let calls = load.host.take_calls().len();
    // One for each, what is to be known anew, and second tries.
    let most = 2 * load.beats + steps * (1 + 2 * SILENT as usize);
    println!("{steps} steps of the clock: {calls} {}, at most {most}", S::ASKED);
    ensure!(calls <= most, "{calls} {}", S::ASKED);
    Ok(())
}

/// A thousand come with the same new token at once, and then with one each.
pub(crate) fn bears_stampedes<S: Scene>(scene: &S) -> Result<()> {
    const CROWD: usize = 1_000;
    // A quarter of the room is not for those of whom nobody knows anything yet.
    const SAME: usize = 768;
    let mut host = scene.start(scene.party(LATE))?;
    let one = scene.good(1)?;
    let crowd: Vec<StreamId> = (0..SAME).map(|_| host.request(&one)).collect();
    host.advance(LATE + BEAT);
    for stream in crowd {
        let outcome = host.outcome(stream);
        let Outcome::Forwarded(sent) = &outcome else { bail!("one token: {}", verdict(&outcome)) };
        scene.check(sent)?;
        host.close(stream);
    }
    let calls = host.take_calls().len();
    println!("{SAME} requests with one new token: {calls} {}", S::ASKED);
    ensure!(calls == 1, "{calls} {}", S::ASKED);

    let many: Vec<Request> = (2..CROWD + 2).map(|number| scene.good(number)).collect::<Result<_>>()?;
    let many: Vec<StreamId> = many.iter().map(|request| host.request(request)).collect();
    host.advance(LATE + BEAT);
    let mut allowed = 0;
    for stream in many {
        match host.outcome(stream) {
            Outcome::Forwarded(sent) => {
                scene.check(&sent)?;
                allowed += 1;
            }
            other => ensure!(verdict(&other) == "limit.pending", "many tokens: {}", verdict(&other)),
        }
        host.close(stream);
    }
    let calls = host.take_calls().len();
    println!("{CROWD} requests with a new token each: {calls} {}, {allowed} allowed", S::ASKED);
    ensure!(calls == S::OPEN && allowed == S::OPEN, "{calls} {}, {allowed} allowed", S::ASKED);
    // The place is free again.
    let next = host.request(&scene.good(CROWD + 2)?);
    host.advance(LATE + BEAT);
    ensure!(verdict(&host.outcome(next)) == "allow", "after a stampede");
    Ok(())
}

/// A thousand clients go away while the party is asked about them.
pub(crate) fn forgets_who_left<S: Scene>(scene: &S) -> Result<()> {
    const CROWD: usize = 1_000;
    let mut host = scene.start(Upstream::always(UpstreamReply::never()))?;
    for number in 0..CROWD {
        let stream = host.request(&scene.good(number)?);
        host.close(stream);
    }
    host.advance(BEAT);
    let calls = host.take_calls().len();
    println!("{CROWD} clients that left: {calls} {}", S::ASKED);
    ensure!(calls == S::OPEN, "{calls} {}", S::ASKED);
    host.advance(TIMEOUT * 2);
    host.set_cluster(CLUSTER, scene.party(Duration::ZERO));
    // The breaker has opened; after its while all is well.
    host.advance(Duration::from_secs(2));
    let stream = host.request(&scene.good(CROWD)?);
    host.advance(BEAT);
    ensure!(verdict(&host.outcome(stream)) == "allow", "after its while");

    // One who leaves while another waits for the same takes nothing along.
    host.set_cluster(CLUSTER, scene.party(LATE));
    host.take_calls();
    let same = scene.good(CROWD + 1)?;
    let (gone, waiting) = (host.request(&same), host.request(&same));
    host.close(gone);
    host.advance(LATE + BEAT);
    let outcome = host.outcome(waiting);
    let Outcome::Forwarded(sent) = &outcome else { bail!("who stayed: {}", verdict(&outcome)) };
    scene.check(sent)
}
