//! Exchanged tokens that workers tell each other: who has waited for one has waited for all.
//!
//! There are so many places, and each has one token: a later one takes the place of an earlier. A token stands there under a digest of all
//! that it depends on, and is believed as long as its worker would have used it, if the clock says that it was got before now.

use super::{UpstreamToken, UpstreamTokenSettings, Wanted};
use crate::crypto::{constant_time_eq, digest::Sha256};
use crate::shared::SharedData;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many places there are. Gateways forget no name, so that there can't be one for each token.
const PLACES: u16 = 1_024;

/// The longest `authorization` that is shared, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// The form of an entry; others are not read.
const FORM: u8 = 1;

/// Where a token stands that depends on this.
pub(crate) struct Place {
    name: String,
    digest: [u8; 32],
}

impl Place {
    /// For what an exchange is made for, by its [`Wanted::key`].
    pub(crate) fn of(key: &[u8], settings: &UpstreamTokenSettings) -> Self {
        let mut digest = Sha256::new();
        digest.update_framed(&settings.digest).update_framed(key);
        let digest = digest.finish();
        let [a, b, ..] = digest;
        let number = u16::from_le_bytes([a, b]) % PLACES;
        Self { name: format!("countersign/upstream/{number}"), digest }
    }

    /// The token that another worker has got, if it lives and was got between `since` and now.
    pub(crate) fn find(
        &self,
        wanted: &Wanted<'_>,
        shared: &dyn SharedData,
        since: Timestamp,
        now: Timestamp,
    ) -> Option<UpstreamToken> {
        let entry = shared.get(&self.name).ok()??;
        let (got, token) = self.read(&entry.bytes)?;
        let lives = since <= got && got <= now && now < token.expires;
        (lives && token.expires <= wanted.verified.expires).then_some(token)
    }

    /// Hands a token to the others; that it can't be costs them an exchange of their own.
    pub(crate) fn put(&self, token: &UpstreamToken, shared: &dyn SharedData, now: Timestamp) {
        if token.authorization.len() > MAX_BYTES {
            return;
        }
        let mut bytes = Vec::with_capacity(57 + token.authorization.len());
        bytes.push(FORM);
        bytes.extend_from_slice(&self.digest);
        for time in [now, token.expires, token.renew] {
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

    /// What stands there, if it stands there for this; with when it was got.
    fn read(&self, bytes: &[u8]) -> Option<(Timestamp, UpstreamToken)> {
        let (&FORM, rest) = bytes.split_first()? else { return None };
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        if !constant_time_eq(digest, &self.digest) || rest.len() > MAX_BYTES + 24 {
            return None;
        }
        let (got, rest) = time(rest)?;
        let (expires, rest) = time(rest)?;
        let (renew, rest) = time(rest)?;
        let authorization = core::str::from_utf8(rest).ok()?.into();
        Some((got, UpstreamToken { authorization, expires, renew }))
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
        }
    }

    #[test]
    fn what_is_put_is_read_by_who_wants_the_same() {
        let shared = Alone::default();
        let place = Place::of(TOKEN, &settings());
        place.put(&token(), &shared, Timestamp::from_secs(100));
        let bytes = shared.get(&place.name).unwrap().unwrap().bytes;
        assert_eq!(place.read(&bytes), Some((Timestamp::from_secs(100), token())));
        let other = UpstreamTokenSettings { digest: [9; 32], ..settings() };
        assert!(Place::of(TOKEN, &other).read(&bytes).is_none(), "another configuration");
        assert!(Place::of(b"\0another", &settings()).read(&bytes).is_none(), "another token");
        for cut in 0..57 {
            assert!(place.read(&bytes[..cut]).is_none(), "{cut}");
        }
        place.clear(&shared);
        assert!(shared.get(&place.name).unwrap().unwrap().bytes.is_empty());
    }

    #[test]
    fn what_is_too_long_is_not_shared() {
        let shared = Alone::default();
        let place = Place::of(TOKEN, &settings());
        let long = UpstreamToken { authorization: "x".repeat(MAX_BYTES + 1).into(), ..token() };
        place.put(&long, &shared, Timestamp::from_secs(100));
        assert_eq!(shared.get(&place.name), Ok(None));
    }

    #[test]
    fn who_takes_back_another_ones_token_takes_nothing() {
        let shared = Alone::default();
        let place = Place::of(TOKEN, &settings());
        place.put(&token(), &shared, Timestamp::from_secs(100));
        let beside = Place { name: place.name.clone(), digest: [0; 32] };
        beside.clear(&shared);
        assert!(place.read(&shared.get(&place.name).unwrap().unwrap().bytes).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let place = Place::of(TOKEN, &settings());
            let marked = [&[FORM], &place.digest[..], &bytes].concat();
            _ = place.read(&bytes);
            if let Some((_, token)) = place.read(&marked) {
                prop_assert!(token.authorization.len() + 24 == bytes.len());
            }
        }
    }
}
