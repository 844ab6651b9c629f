//! Exchanged tokens that workers tell each other: who has waited for one has waited for all.
//!
//! There are so many places, and each has one token: a later one takes the place of an earlier. A token stands there under a digest of all
//! that it depends on and of the workers' secret, and is believed as long as its worker would have used it, if the clock says that it was asked for
//! before now.

use super::{UpstreamToken, UpstreamTokenSettings, Wanted};
use crate::crypto::constant_time_eq;
use crate::party::Mark;
use crate::shared::{Secret, SharedData};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many places there are. Gateways forget no name, so that there can't be one for each token.
const PLACES: u16 = 1_024;

/// The longest `authorization` that is shared, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The form of an entry; others are not read.
const FORM: u8 = 2;

/// Where a token stands that depends on this.
pub(crate) struct Place {
    name: String,
    digest: [u8; 32],
}

impl Place {
    /// For what an exchange is made for, by its [`Wanted::key`]; nothing where the host shares nothing.
    pub(crate) fn of(
        key: &[u8],
        settings: &UpstreamTokenSettings,
        secret: &Secret,
        shared: &dyn SharedData,
    ) -> Option<Self> {
        let digest = secret.digest("upstream token", &[&settings.digest, key], shared).ok()?;
        let [a, b, ..] = digest;
        let number = u16::from_le_bytes([a, b]) % PLACES;
        Some(Self { name: format!("countersign/upstream/{number}"), digest })
    }

    /// The mark of the token.
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(&self.digest)
    }

    /// The token that another worker has got, if it lives and was asked for between `since` and now.
    pub(crate) fn find(
        &self,
        wanted: &Wanted<'_>,
        shared: &dyn SharedData,
        since: Timestamp,
        now: Timestamp,
    ) -> Option<UpstreamToken> {
        let entry = shared.get(&self.name).ok()??;
        let token = self.read(&entry.bytes)?;
        let lives = since <= token.asked && token.asked <= now && now < token.expires;
        (lives && token.expires <= wanted.verified.expires).then_some(token)
    }

    /// Hands a token to the others; that it can't be costs them an exchange of their own.
    pub(crate) fn put(&self, token: &UpstreamToken, shared: &dyn SharedData) {
        if token.authorization.len() > MAX_BYTES {
            return;
        }
        let mut bytes = Vec::with_capacity(57 + token.authorization.len());
        bytes.push(FORM);
        bytes.extend_from_slice(&self.digest);
        for time in [token.asked, token.expires, token.renew] {
            bytes.extend_from_slice(&time.as_nanos().to_le_bytes());
        }
        bytes.extend_from_slice(token.authorization.as_bytes());
        self.write(&bytes, shared);
    }

    /// Takes the token back from the others.
    pub(crate) fn clear(&self, shared: &dyn SharedData) {
        let entry = shared.get(&self.name).ok().flatten();
        if entry.is_some_and(|entry| self.read(&entry.bytes).is_some()) {
            self.write(&[], shared);
        }
    }

    fn write(&self, bytes: &[u8], shared: &dyn SharedData) {
        let Ok(entry) = shared.get(&self.name) else { return };
        // Who was first has as good a token.
        _ = shared.set(&self.name, bytes, entry.map(|entry| entry.version));
    }

    /// What stands there, if it stands there for this.
    fn read(&self, bytes: &[u8]) -> Option<UpstreamToken> {
        let (&FORM, rest) = bytes.split_first()? else { return None };
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        if !constant_time_eq(digest, &self.digest) || rest.len() > MAX_BYTES + 24 {
            return None;
        }
        let (asked, rest) = time(rest)?;
        let (expires, rest) = time(rest)?;
        let (renew, rest) = time(rest)?;
        // It goes upstream as a header.
        let text = core::str::from_utf8(rest).ok()?;
        let authorization = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| text.into())?;
        Some(UpstreamToken { authorization, expires, renew, asked, mark: Some(self.mark()) })
    }
}

fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    Some((Timestamp::from_nanos(i64::from_le_bytes(*time)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Alone;
    use crate::upstream_token::answer::tests::settings;
    use proptest::prelude::*;

    const TOKEN: &[u8] = b"\0key";

    fn token() -> UpstreamToken {
        UpstreamToken {
            authorization: "Bearer a.b.c".into(),
            expires: Timestamp::from_secs(300),
            renew: Timestamp::from_secs(200),
            asked: Timestamp::from_secs(100),
            mark: Some(place(TOKEN).mark()),
        }
    }

    fn of(key: &[u8], settings: &UpstreamTokenSettings) -> Place {
        Place::of(key, settings, &Secret::new([7; 32]), &Alone::default()).unwrap()
    }

    fn place(key: &[u8]) -> Place {
        of(key, &settings())
    }

    #[test]
    fn what_is_put_is_read_by_who_wants_the_same() {
        let shared = Alone::default();
        let place = place(TOKEN);
        place.put(&token(), &shared);
        let bytes = shared.get(&place.name).unwrap().unwrap().bytes;
        assert_eq!(place.read(&bytes), Some(token()));
        let other = UpstreamTokenSettings { digest: [9; 32], ..settings() };
        assert!(of(TOKEN, &other).read(&bytes).is_none(), "another configuration");
        assert!(super::tests::place(b"\0another").read(&bytes).is_none(), "another token");
        for cut in 0..57 {
            assert!(place.read(&bytes[..cut]).is_none(), "{cut}");
        }
        place.clear(&shared);
        assert!(shared.get(&place.name).unwrap().unwrap().bytes.is_empty());
    }

    #[test]
    fn what_is_too_long_is_not_shared() {
        let shared = Alone::default();
        let place = place(TOKEN);
        let long = UpstreamToken { authorization: "x".repeat(MAX_BYTES + 1).into(), ..token() };
        place.put(&long, &shared);
        assert_eq!(shared.get(&place.name), Ok(None));
    }

    #[test]
    fn what_is_no_header_is_no_token() {
        let place = place(TOKEN);
        for text in ["Bearer a\r\nx-a: b", "Bearer a\0", "Bearer \u{e9}", "Bearer a\u{7f}"] {
            let shared = Alone::default();
            place.put(&UpstreamToken { authorization: text.into(), ..token() }, &shared);
            assert!(place.read(&shared.get(&place.name).unwrap().unwrap().bytes).is_none(), "{text:?}");
        }
    }

    #[test]
    fn who_takes_back_another_ones_token_takes_nothing() {
        let shared = Alone::default();
        let place = place(TOKEN);
        place.put(&token(), &shared);
        let beside = Place { name: place.name.clone(), digest: [0; 32] };
        beside.clear(&shared);
        assert!(place.read(&shared.get(&place.name).unwrap().unwrap().bytes).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let place = place(TOKEN);
            let marked = [&[FORM], &place.digest[..], &bytes].concat();
            _ = place.read(&bytes);
            if let Some(token) = place.read(&marked) {
                prop_assert!(token.authorization.len() + 24 == bytes.len());
            }
        }
    }
}
