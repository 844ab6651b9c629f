//! Whether an issuer has taken a token back, by what it published.

use super::fetches::Purpose;
use super::{Entropy, Gateway, Need, Waited};
use crate::fetch::Missing;
use crate::keys::Signer;
use crate::reason::Reason;
use crate::revocation::{Document, DocumentHealth, Identifiers};
use crate::settings::Settings;
use crate::time::{Span, Timestamp};
use crate::token::{Failure, Refusal, VerifiedToken};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Everything that these settings have fetched, and nothing there yet.
pub(super) fn documents(settings: &Settings, entropy: &Entropy) -> Vec<Document> {
    let wanted = settings.revocations.iter().enumerate();
    wanted
        .map(|(place, wanted)| Document::new(wanted.source.freshness, entropy.derive("revocation", place)))
        .collect()
}

/// What the documents say of a token.
enum LookedUp {
    /// No objection; whether one was relied on beyond its budget.
    Nothing { beyond: bool },
    /// It was taken back.
    TakenBack(Reason),
}

impl Gateway {
    /// Refuses a token that its issuer has taken back, whoever verified it and whenever. What was published is relied on so much `longer`
    /// than its budget; true where that was needed.
    pub(crate) fn check_revocation(
        &mut self,
        text: &[u8],
        token: &VerifiedToken,
        waited: Waited,
        longer: Span,
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        match self.look_up(token, waited, longer, now)? {
            LookedUp::Nothing { beyond } => Ok(beyond),
            LookedUp::TakenBack(reason) => Err(self.taken_back(text, token.issuer, reason, now).into()),
        }
    }

    /// Refuses a token that was verified before, and has been taken back in some way since. Nobody waits for anything here. True where
    /// something was relied on beyond its budget, by so much `longer`.
    pub(crate) fn check_again(
        &mut self,
        token: &VerifiedToken,
        longer: Span,
        now: Timestamp,
    ) -> Result<bool, Reason> {
        self.still_stands(token, now)?;
        match self.look_up(token, Waited::FOR_ALL, longer, now) {
            Ok(LookedUp::Nothing { beyond }) => Ok(beyond),
            Ok(LookedUp::TakenBack(reason)) | Err(Refusal::Because(reason)) => Err(reason),
            Err(Refusal::Wait(_)) => Err(Reason::SystemRevocationUnavailable),
        }
    }

    /// Whether the key is still there that signed a token or its issuer's word on it, and no worker has heard since that it is refused.
    pub(super) fn still_stands(&self, token: &VerifiedToken, now: Timestamp) -> Result<(), Reason> {
        self.check_key(token.issuer, token.key(), now)?;
        if self.is_taken_back(token) { Err(Reason::TokenInactive) } else { Ok(()) }
    }

    /// Demands that an issuer still has a key, where there is one.
    pub(super) fn check_key(
        &self,
        issuer: usize,
        signer: Option<&Signer>,
        now: Timestamp,
    ) -> Result<(), Reason> {
        let Some(signer) = signer else { return Ok(()) };
        let keys = self.keys.get(issuer).ok_or(Reason::SystemInternal)?;
        if !keys.usable(now) {
            return Err(Reason::SystemKeysUnavailable);
        }
        if keys.contains(signer) { Ok(()) } else { Err(Reason::TokenKeyUnknown) }
    }

    fn look_up(
        &mut self,
        token: &VerifiedToken,
        waited: Waited,
        longer: Span,
        now: Timestamp,
    ) -> Result<LookedUp, Refusal> {
        let settings = Rc::clone(&self.settings);
        let issuer = settings.issuers.get(token.issuer).ok_or(Reason::SystemInternal)?;
        let Some(revocation) = &issuer.revocation else { return Ok(LookedUp::Nothing { beyond: false }) };
        let mut beyond = false;
        if let Some(status) = &token.status {
            beyond |= self.rely_on(status.list, waited, longer, now)?;
            let list = self.revocations.get(status.list).ok_or(Reason::SystemInternal)?;
            if let Some(reason) = list.objects_to(status.index) {
                return Ok(LookedUp::TakenBack(reason));
            }
        }
        if let Some(place) = revocation.feed {
            beyond |= self.rely_on(place, waited, longer, now)?;
            let feed = self.revocations.get(place).ok_or(Reason::SystemInternal)?;
            if token.looked_up.get() != feed.edition() {
                if feed.revokes(&Identifiers::of(token)) {
                    return Ok(LookedUp::TakenBack(Reason::RevocationRevoked));
                }
                token.looked_up.set(feed.edition());
            }
        }
        Ok(LookedUp::Nothing { beyond })
    }

    /// Demands a document that may still be used; true where its budget is over.
    fn rely_on(
        &mut self,
        place: usize,
        waited: Waited,
        longer: Span,
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        // Another worker may have what is missing.
        if self.is_usable(place, now) || (self.look_for_revocation(place, now) && self.is_usable(place, now))
        {
            return Ok(false);
        }
        if !self.is_ready(Purpose::Revocation(place), now) {
            return self.rely_without_keys(place, waited, longer, now);
        }
        let document = self.revocations.get_mut(place).ok_or(Reason::SystemInternal)?;
        let fetches = document.schedule_mut().ask(Missing::Document, now);
        if document.usable_within(longer, now) {
            return Ok(true);
        }
        if !waited.for_revocation(place) && fetches {
            return Err(Refusal::Wait(Need::Revocation { document: place }));
        }
        Err(Reason::SystemRevocationUnavailable.into())
    }

    /// The same where nothing can be verified, and so nothing is fetched: the issuer's keys come first.
    fn rely_without_keys(
        &mut self,
        place: usize,
        waited: Waited,
        longer: Span,
        now: Timestamp,
    ) -> Result<bool, Refusal> {
        let document = self.revocations.get(place).ok_or(Reason::SystemInternal)?;
        let held = document.usable_within(longer, now);
        let issuer = self.settings.revocations.get(place).ok_or(Reason::SystemInternal)?.issuer;
        let keys = self.keys.get_mut(issuer).ok_or(Reason::SystemInternal)?;
        let fetches = keys.schedule_mut().ask(Missing::Document, now);
        if held {
            return Ok(true);
        }
        if !waited.keys && fetches {
            return Err(Refusal::Wait(Need::Keys { issuer }));
        }
        Err(Reason::SystemRevocationUnavailable.into())
    }

    fn is_usable(&self, place: usize, now: Timestamp) -> bool {
        self.revocations.get(place).is_some_and(|document| document.usable_within(Span::ZERO, now))
    }

    /// A token was taken back: what was kept of it is dropped, and the refusal is kept until there is more to hear.
    fn taken_back(&mut self, text: &[u8], issuer: usize, reason: Reason, now: Timestamp) -> Reason {
        self.cache.remove(text);
        let until = now.plus(self.settings.failure_life);
        self.keep_failure(text, Failure { issuer, reason, at: now }, until);
        reason
    }

    /// What an issuer says of its tokens is new.
    pub(super) fn revocation_renewed(&mut self, document: usize) {
        let settings = Rc::clone(&self.settings);
        let Some(wanted) = settings.revocations.get(document) else { return };
        let documents = &self.revocations;
        let Some(new) = documents.get(document) else { return };
        self.cache.retain(|token| match &token.status {
            Some(status) if status.list == document => new.objects_to(status.index).is_none(),
            Some(_) | None => true,
        });
        // What was taken back may have been given again.
        self.failures.retain(|failure| failure.issuer != wanted.issuer);
    }

    /// How what each issuer says of its tokens is: the issuer's place in the settings, and all its documents together.
    pub fn revocation_health(&self, now: Timestamp) -> impl Iterator<Item = Option<DocumentHealth>> + '_ {
        self.settings.issuers.iter().map(move |issuer| {
            let revocation = issuer.revocation.as_ref()?;
            let places = revocation.lists.iter().chain(&revocation.feed);
            let documents = places.filter_map(|place| self.revocations.get(*place));
            documents.map(|document| document.health(now)).reduce(DocumentHealth::with)
        })
    }
}
