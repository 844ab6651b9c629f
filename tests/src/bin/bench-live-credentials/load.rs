//! A load that does not wait for the answers: requests are due at a constant rate, and each one's time counts from when it was due.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use countersign_tests::http::{Request, Response};
use countersign_tests::mint::{self, SigningKey};
use serde_json::json;

/// Requests a second.
pub(crate) const RATE: u32 = 1_000;
/// Who sends them, each with a token of their own.
pub(crate) const USERS: usize = 200;
/// How long their tokens live, in seconds.
pub(crate) const LIFETIME: i64 = 300;
/// So many that each has its answer, even a late one, before its next request is due.
const CONNECTIONS: usize = 40;
/// After so long they come with another one, a little before the old one's end.
const PERIOD: Duration = Duration::from_secs(295);

/// Users who renew their tokens at even distances from each other.
pub(crate) struct Users {
    began: Instant,
    all: Vec<Vec<Token>>,
}

/// A token of a user, in the request that it goes with.
struct Token {
    /// From then on.
    from: Option<Instant>,
    request: Vec<u8>,
    sent: AtomicBool,
}

/// What a load showed.
pub(crate) struct Sent {
    /// From when each request was due to its answer, in microseconds, the shortest first.
    pub(crate) times_us: Vec<u64>,
    /// Tokens that were not sent before.
    pub(crate) new_tokens: u64,
}

impl Users {
    /// All who come within this time from now.
    pub(crate) fn new(
        key: &SigningKey,
        claims: &serde_json::Value,
        path: &str,
        within: Duration,
    ) -> Result<Self> {
        let (began, now) = (Instant::now(), mint::now());
        let token = |user: usize, iat: i64, from| -> Result<Token> {
            let own = json!({ "sub": format!("user-{user}"), "iat": iat, "exp": iat + LIFETIME });
            let signed = key.sign(&mint::with(claims, own))?;
            let mut request = Vec::new();
            Request::get(path).bearer(&signed).write(&mut request, "bank.example")?;
            Ok(Token { from, request, sent: AtomicBool::new(false) })
        };
        let all = (0..USERS).map(|user| {
            // The first one is some time old.
            let ahead = PERIOD * u32::try_from(user + 1)? / u32::try_from(USERS)?;
            let age = i64::try_from((PERIOD - ahead).as_secs())?;
            let mut tokens = vec![token(user, now - age, None)?];
            let mut from = ahead;
            while from < within {
                tokens.push(token(user, now + i64::try_from(from.as_secs())?, Some(began + from))?);
                from += PERIOD;
            }
            Ok(tokens)
        });
        Ok(Self { began, all: all.collect::<Result<_>>()? })
    }

    /// How long they have been there.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The token of a user now, and whether it is sent for the first time.
    fn request(&self, user: usize) -> Result<(&[u8], bool)> {
        let now = Instant::now();
        let tokens = self.all.get(user % USERS).context("no such user")?;
        let token = tokens.iter().rev().find(|token| token.from.is_none_or(|from| from <= now));
        let token = token.context("a user without a token")?;
        Ok((&token.request, !token.sent.swap(true, Ordering::Relaxed)))
    }
}

/// Connections that are kept.
pub(crate) struct Connections(Vec<BufReader<TcpStream>>);

impl Connections {
    /// Opens them, and has each user come through each of them, so that every worker knows everybody.
    pub(crate) fn open(listener: SocketAddr, users: &Users) -> Result<Self> {
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            let socket = TcpStream::connect(listener)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            all.push(BufReader::new(socket));
        }
        let mut connections = Self(all);
        connections.each(|connection, number| {
            (0..USERS).try_for_each(|user| send(connection, users.request(number + user)?.0))
        })?;
        Ok(connections)
    }

    /// Sends so many requests of users at random.
    pub(crate) fn send(&mut self, users: &Users, requests: u32) -> Result<Sent> {
        let start = Instant::now() + Duration::from_millis(10);
        let all = self.each(|connection, number| {
            let (mut times, mut new_tokens) = (Vec::new(), 0);
            for request in (u32::try_from(number)?..requests).step_by(CONNECTIONS) {
                let due = start + Duration::from_secs(1) * request / RATE;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let (bytes, is_new) = users.request(scattered(request))?;
                send(connection, bytes)?;
                times.push(u64::try_from(due.elapsed().as_micros())?);
                new_tokens += u64::from(is_new);
            }
            Ok((times, new_tokens))
        })?;
        let new_tokens = all.iter().map(|(_, new_tokens)| new_tokens).sum();
        let mut times_us: Vec<u64> = all.into_iter().flat_map(|(times, _)| times).collect();
        times_us.sort_unstable();
        Ok(Sent { times_us, new_tokens })
    }

    fn each<T: Send>(
        &mut self,
        work: impl Fn(&mut BufReader<TcpStream>, usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        thread::scope(|scope| {
            let work = &work;
            let connections = self.0.iter_mut().enumerate();
            let threads: Vec<_> = connections
                .map(|(number, connection)| scope.spawn(move || work(connection, number)))
                .collect();
            let joined =
                threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread of the load")));
            joined.map(|result| result.and_then(|result| result)).collect()
        })
    }
}

fn send(connection: &mut BufReader<TcpStream>, request: &[u8]) -> Result<()> {
    connection.get_mut().write_all(request)?;
    let answer = Response::read(connection, "GET")?;
    ensure!(answer.status == 200, "expected 200, got {} {}", answer.status, answer.text());
    Ok(())
}

/// A number that follows from this one, and looks like any other (SplitMix64).
fn scattered(number: u32) -> usize {
    let mut mixed = u64::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0)
}
