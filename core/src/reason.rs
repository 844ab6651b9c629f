//! The closed registry of reasons why a request was refused: one table, from which the code, the
//! audit line, the problem document, the metrics and `docs/reasons.md` all take their words.

/// Where a refusal came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The request itself: its path, headers and route.
    Request,
    /// The connection and the workload at its other end.
    Transport,
    /// The credential: signature, claims, issuer.
    Token,
    /// Whether who presents a credential is its holder.
    Binding,
    /// Who acts for whom.
    Delegation,
    /// Whether the issuer has taken the credential back.
    Revocation,
    /// The policy decision.
    Policy,
    /// A bound that protects the gateway.
    Limit,
    /// The gateway or something it depends on; never the caller's fault.
    System,
}

impl Layer {
    /// The layer's name in logs, documents and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Transport => "transport",
            Self::Token => "token",
            Self::Binding => "binding",
            Self::Delegation => "delegation",
            Self::Revocation => "revocation",
            Self::Policy => "policy",
            Self::Limit => "limit",
            Self::System => "system",
        }
    }
}

/// What the `WWW-Authenticate` header of a refusal says (RFC 6750 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// No challenge: a credential would not help.
    None,
    /// `Bearer` with a realm alone: nothing was presented (§3.1, last paragraph).
    Bare,
    /// `error="invalid_request"`.
    InvalidRequest,
    /// `error="invalid_token"`.
    InvalidToken,
    /// `error="insufficient_scope"`.
    InsufficientScope,
    /// `error="insufficient_user_authentication"`, with what is demanded (RFC 9470 §3).
    InsufficientAuthentication,
    /// `DPoP` with `error="invalid_token"`, whatever the scheme of the request: only a proof would help (RFC 9449 §7.1).
    BoundToken,
    /// `DPoP` with `error="invalid_dpop_proof"` (RFC 9449 §7.1).
    InvalidProof,
    /// `DPoP` with `error="use_dpop_nonce"`, and a nonce (RFC 9449 §9).
    UseNonce,
}

macro_rules! reasons {
    ($($variant:ident $code:literal $layer:ident $status:literal $challenge:ident $title:literal $help:literal;)*) => {
        /// Why a request was refused. The code is stable: it may gain siblings but never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $title] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code, `layer.what`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The layer that refused.
            pub const fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)* }
            }

            /// The HTTP status of the refusal.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The challenge that goes with it.
            pub const fn challenge(self) -> Challenge {
                match self { $(Self::$variant => Challenge::$challenge,)* }
            }

            /// One line for the caller; it holds nothing taken from the request.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What an operator does about it.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

reasons! {
    RequestHeaderDuplicate "request.header.duplicate" Request 400 InvalidRequest "a security header is repeated"
        "Send `authorization`, `host` and each pseudo-header once.";
    RequestHeaderInvalid "request.header.invalid" Request 400 InvalidRequest "a header that the decision needs is malformed"
        "Check `:method`, `:path` and `:authority`, and the headers that the route maps to attributes.";
    RequestPathInvalid "request.path.invalid" Request 400 None "the path is malformed or ambiguous"
        "Send a path in canonical form: no empty or dot segments, no encoded slash, no `;`, no needless escapes; or let the configuration's `paths` opt in.";
    RequestQueryInvalid "request.query.invalid" Request 400 None "a query parameter that the decision needs is malformed or repeated"
        "Send the mapped query parameter once, percent-encoded UTF-8.";
    RequestRouteUnmatched "request.route.unmatched" Request 403 None "no route matches the request"
        "Add a route for this method and path; what matches nothing is denied.";
    RequestMethodUnmatched "request.method.unmatched" Request 403 None "the route does not allow the method"
        "Add the method to the route, or call it with one that it lists.";
    TransportWorkloadMissing "transport.workload.missing" Transport 403 None "the caller presented no client certificate"
        "Call over mutual TLS with an X.509-SVID; check that the listener validates client certificates.";
    TransportWorkloadInvalid "transport.workload.invalid" Transport 403 None "the client certificate carries no valid SPIFFE ID"
        "Issue the workload a certificate whose only URI SAN is its SPIFFE ID.";
    TransportWorkloadUntrusted "transport.workload.untrusted" Transport 403 None "the workload's trust domain is not trusted"
        "Add the trust domain to `workload.trust_domains` if it should be trusted.";
    TransportForwardedMissing "transport.forwarded.missing" Transport 403 None "the forwarding proxy names no caller"
        "Let the proxy set `x-forwarded-client-cert` from its own client's certificate; a proxy of `workload.forwarded.peers` is never the caller itself.";
    TransportForwardedInvalid "transport.forwarded.invalid" Transport 403 None "the forwarding proxy's word about the caller is malformed"
        "Check what the proxy writes into `x-forwarded-client-cert`.";
    TokenMissing "token.missing" Token 401 Bare "no credential was presented"
        "Send `authorization: Bearer <token>`.";
    TokenScheme "token.scheme" Token 401 Bare "the authorization scheme is not supported"
        "Use the Bearer scheme.";
    TokenSeveral "token.several" Token 400 InvalidRequest "the request carries several credentials"
        "Send a token or an API key, never both.";
    TokenNotAccepted "token.not_accepted" Token 401 Bare "the route takes no token"
        "Present an API key, or add `token` to the route's `credentials`.";
    TokenApiKeyNotAccepted "token.api_key.not_accepted" Token 401 Bare "the route takes no API key"
        "Present a token, or add `api_key` to the route's `credentials`.";
    TokenApiKeyMalformed "token.api_key.malformed" Token 401 Bare "the API key is malformed"
        "Send the key alone, as it was given: 32 to 256 letters, digits, `.`, `_`, `~` and `-`.";
    TokenApiKeyUnknown "token.api_key.unknown" Token 401 Bare "the API key is not known"
        "Check the key, and that the SHA-256 hash of its text stands in `api_keys.keys`.";
    TokenApiKeyExpired "token.api_key.expired" Token 401 Bare "the API key has expired"
        "Give the caller a new key, and take the old one out of `api_keys.keys`.";
    TokenMalformed "token.malformed" Token 401 InvalidToken "the token is not a well-formed signed JWT"
        "Send a JWS in compact form with strict base64url and strict JSON; encrypted tokens are not accepted.";
    TokenTooLarge "token.too_large" Token 401 InvalidToken "the token is larger than the gateway accepts"
        "Ask the issuer for a smaller token, or raise `limits.token_bytes`.";
    TokenAlgorithm "token.algorithm" Token 401 InvalidToken "the token's signature algorithm is not accepted"
        "Sign with an algorithm that the issuer's `algorithms` lists; `none` and HMAC are refused by design.";
    TokenType "token.type" Token 401 InvalidToken "the token's `typ` is not accepted"
        "List the type in the issuer's `token_types`, or ask the issuer for an access token.";
    TokenCritical "token.critical" Token 401 InvalidToken "the token demands an extension that is not supported"
        "Have the issuer leave out `crit` and `b64`.";
    TokenIssuerMissing "token.issuer.missing" Token 401 InvalidToken "the token names no issuer"
        "Have the issuer set `iss`.";
    TokenIssuerUnknown "token.issuer.unknown" Token 401 InvalidToken "the token's issuer is not trusted"
        "Add the issuer to `issuers`, spelled exactly as in the token, if it should be trusted.";
    TokenKeyUnknown "token.key.unknown" Token 401 InvalidToken "the issuer has no key that fits the token"
        "Check that the issuer publishes the key with this `kid` and algorithm.";
    TokenKeyAmbiguous "token.key.ambiguous" Token 401 InvalidToken "the token has no `kid` and too many keys could be meant"
        "Have the issuer set `kid` in the token's header.";
    TokenSignature "token.signature" Token 401 InvalidToken "the token's signature is wrong"
        "The token was altered, or signed by another key than the one its `kid` names.";
    TokenClaims "token.claims" Token 401 InvalidToken "a claim of the token has the wrong type or form"
        "Check the types of `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti`, and of the claims that the configuration maps.";
    TokenExpiryMissing "token.expiry.missing" Token 401 InvalidToken "the token never expires"
        "Have the issuer set `exp`.";
    TokenIssuerNotAsked "token.issuer.not_asked" Token 401 InvalidToken "the route wants the issuer's word on each token, and this issuer can't be asked"
        "Give the issuer `introspection`, or take `live` from the route.";
    TokenInactive "token.inactive" Token 401 InvalidToken "the issuer says that the token is not active"
        "Get a new token: this one has expired, was revoked, or is not of this issuer.";
    TokenExpired "token.expired" Token 401 InvalidToken "the token has expired"
        "Get a new token; check the clocks if it should be valid.";
    TokenNotYetValid "token.not_yet_valid" Token 401 InvalidToken "the token is not valid yet"
        "Wait for `nbf`; check the clocks if it should be valid.";
    TokenIssuedInFuture "token.issued_in_future" Token 401 InvalidToken "the token claims to be issued in the future"
        "Check the issuer's clock against the gateway's.";
    TokenLifetime "token.lifetime" Token 401 InvalidToken "the token lives longer than the gateway accepts"
        "Shorten the token's life, or raise the issuer's `max_lifetime_seconds`.";
    TokenAudience "token.audience" Token 401 InvalidToken "the token is meant for another audience"
        "Ask for a token whose `aud` is one of the issuer's `audiences`.";
    TokenSubjectMissing "token.subject.missing" Token 401 InvalidToken "the token lacks the claim that names the principal"
        "Have the issuer set the claim that `principal.id` names.";
    TokenHeader "token.header" Token 401 InvalidToken "the token's header holds what its kind of tokens must not have"
        "Have the issuer leave out everything but `alg`, `kid` and `typ` of a JWT-SVID's header.";
    TokenClaimMissing "token.claim.missing" Token 401 InvalidToken "the token lacks a claim that its issuer's profile demands"
        "Have the issuer set `sub`, `client_id`, `iat` and `jti` of access tokens (RFC 9068), and the claim that `workload_claim` names.";
    TokenSpiffeId "token.spiffe_id" Token 401 InvalidToken "the subject of the JWT-SVID is no workload of its trust domain"
        "Check the `sub` claim: a SPIFFE ID with a path, of the issuer's trust domain.";
    BindingRequired "binding.required" Binding 401 InvalidToken "the route demands a token that is bound to its holder"
        "Ask the issuer for a token bound by DPoP or to the client certificate, as the route's `binding` says.";
    BindingUnsupported "binding.unsupported" Binding 401 InvalidToken "the token is bound in a way that is not understood"
        "Bind tokens by `cnf` with `jkt` (RFC 9449) or `x5t#S256` (RFC 8705).";
    BindingWorkload "binding.workload" Binding 403 None "the credential belongs to another workload"
        "Present the credential from the workload that it was issued to, over mutual TLS; if nobody should have called from there, it is in wrong hands: replace it.";
    BindingCertificateMissing "binding.certificate.missing" Binding 401 InvalidToken "the token is bound to a certificate, and none was presented"
        "Call over mutual TLS with the certificate that the token was issued to.";
    BindingCertificateMismatch "binding.certificate.mismatch" Binding 401 InvalidToken "the token is bound to another certificate"
        "Call with the certificate that the token was issued to; get a new token after the certificate was renewed.";
    BindingDpopScheme "binding.dpop.scheme" Binding 401 BoundToken "the token is bound to a key, and was presented without proof"
        "Send `authorization: DPoP <token>` with a `dpop` header.";
    BindingDpopUnbound "binding.dpop.unbound" Binding 401 InvalidToken "the token is not bound to a key"
        "Use the Bearer scheme, or have the issuer bind the token to the key of a DPoP proof.";
    BindingDpopMissing "binding.dpop.missing" Binding 401 InvalidProof "the DPoP proof is missing"
        "Send a fresh proof in the `dpop` header with each request.";
    BindingDpopMalformed "binding.dpop.malformed" Binding 401 InvalidProof "the DPoP proof is not a well-formed proof"
        "Send a JWT of type `dpop+jwt` with `jti`, `htm`, `htu`, `iat` and `ath`.";
    BindingDpopAlgorithm "binding.dpop.algorithm" Binding 401 InvalidProof "the DPoP proof's signature algorithm is not accepted"
        "Sign with an algorithm that `dpop.algorithms` lists.";
    BindingDpopKey "binding.dpop.key" Binding 401 InvalidProof "the DPoP proof's key is not a public key for its algorithm"
        "Put the public key alone into the `jwk` header.";
    BindingDpopHolder "binding.dpop.holder" Binding 401 InvalidProof "the DPoP proof is by another key than the token is bound to"
        "Sign the proof with the key for which the token was issued.";
    BindingDpopSignature "binding.dpop.signature" Binding 401 InvalidProof "the DPoP proof's signature is wrong"
        "Sign the proof with the private key that belongs to its `jwk`.";
    BindingDpopMethod "binding.dpop.method" Binding 401 InvalidProof "the DPoP proof is for another method"
        "Set `htm` to the request's method.";
    BindingDpopTarget "binding.dpop.target" Binding 401 InvalidProof "the DPoP proof is for another address"
        "Set `htu` to the request's address without query and fragment; list the gateway's public origin in `dpop.origins`.";
    BindingDpopToken "binding.dpop.token" Binding 401 InvalidProof "the DPoP proof is for another token"
        "Set `ath` to the base64url of the token's SHA-256.";
    BindingDpopTime "binding.dpop.time" Binding 401 InvalidProof "the DPoP proof is too old, over, or from the future"
        "Make a proof for each request; check the clocks.";
    BindingDpopNonce "binding.dpop.nonce" Binding 401 UseNonce "the DPoP proof lacks a nonce of the gateway that still serves"
        "Repeat the request with the nonce of the `dpop-nonce` header in the proof.";
    BindingDpopReplayed "binding.dpop.replayed" Binding 401 InvalidProof "the DPoP proof was used before"
        "Make a proof for each request, with a `jti` of its own.";
    DelegationMissing "delegation.missing" Delegation 401 InvalidToken "the token names nobody who acts for its subject"
        "Exchange the token for one with an `act` claim.";
    DelegationUnsupported "delegation.unsupported" Delegation 401 InvalidToken "the token says that someone acts for its subject, which is not accepted of its issuer"
        "Set `delegation` for the issuer if its tokens may have an `act` claim.";
    DelegationMalformed "delegation.malformed" Delegation 401 InvalidToken "the token's `act` claim is not well-formed"
        "Have the issuer name each actor by the claim that `delegation.actor.id` names.";
    DelegationDepth "delegation.depth" Delegation 401 InvalidToken "the token names more actors than the gateway accepts"
        "Shorten the chain of exchanges, or raise `delegation.max_depth`.";
    DelegationLoop "delegation.loop" Delegation 401 InvalidToken "somebody stands twice in the token's chain of actors"
        "Exchange the token only with parties that are not in its chain.";
    DelegationIssuer "delegation.issuer" Delegation 401 InvalidToken "the token names an actor of another issuer"
        "Exchange the token at the actor's own issuer, or have the issuer name the actor as one of its own: an `iss` in `act` is the token's.";
    DelegationNotAllowed "delegation.not_allowed" Delegation 401 InvalidToken "the token's `may_act` allows another actor"
        "Have the party act that `may_act` names.";
    DelegationExchangeRefused "delegation.exchange_refused" Delegation 403 None "the token service gives no token for upstream in exchange for this one"
        "Ask the token service's operators why this caller may not go on; the name is in `upstream_token` of the audit line.";
    RevocationRevoked "revocation.revoked" Revocation 401 InvalidToken "the token was revoked"
        "Log in again, or get a new token: the issuer's revocation feed lists this one, its subject, its session, or all of its time.";
    RevocationInvalid "revocation.status_invalid" Revocation 401 InvalidToken "the token was revoked, by its status"
        "Get a new token: the issuer's status list says that this one is invalid.";
    RevocationSuspended "revocation.status_suspended" Revocation 401 InvalidToken "the token is suspended"
        "Wait until the issuer lifts the suspension, or get a new token.";
    RevocationStatusUnknown "revocation.status_unknown" Revocation 401 InvalidToken "the token's status is not one that is accepted"
        "Check what the issuer's status list says at the token's index: beyond its end there is no status, and only 0 is valid.";
    RevocationStatusMissing "revocation.status_missing" Revocation 401 InvalidToken "the token says nothing about where its status is"
        "Have the issuer set `status.status_list` in its tokens, or take `status_required` from its `revocation`.";
    RevocationStatusMalformed "revocation.status_malformed" Revocation 401 InvalidToken "the token's `status` claim is not well-formed"
        "Have the issuer set `status.status_list` to an object with `idx` and `uri`.";
    RevocationListUnknown "revocation.list_unknown" Revocation 401 InvalidToken "the token's status is in a list that is not fetched"
        "Add the list's address to the issuer's `revocation.status_lists`, spelled exactly as in the token, if it should count.";
    PolicyStepUp "policy.step_up" Policy 401 InsufficientAuthentication "the request needs a stronger or more recent login"
        "Log in again as the challenge's `acr_values` and `max_age` say, and repeat the request with the new token.";
    PolicyForbidden "policy.forbidden" Policy 403 InsufficientScope "a policy forbids the request"
        "Read the determining policies in the audit line.";
    PolicyNotPermitted "policy.not_permitted" Policy 403 InsufficientScope "no policy permits the request"
        "Run `countersign explain` with the request to see which clause of which policy failed.";
    PolicyForbidError "policy.forbid_error" Policy 403 InsufficientScope "a forbidding policy could not be evaluated"
        "Make the `forbid` total: test optional attributes with `has` first.";
    PolicyAttribute "policy.attribute" Policy 403 InsufficientScope "an attribute that the schema demands is absent or of the wrong type"
        "Check the mappings of `principal.attributes`, `resource.attributes` and `context` against the schema.";
    PolicyEntityConflict "policy.entity_conflict" Policy 403 InsufficientScope "the resource is the caller itself, and is described otherwise than by its credential"
        "Take the attributes of such a resource from nowhere but the token, or map none: what a client says of the principal, the subject or the workload is not believed.";
    PolicyLimit "policy.limit" Policy 403 InsufficientScope "the policy evaluation exceeded its bounds"
        "Simplify the policy or the data; the bounds are fixed.";
    LimitPending "limit.pending" Limit 503 None "too many requests wait for issuer keys, or for an issuer's word on their tokens"
        "The issuer is slow or down; see its metrics. `limits.pending_requests` and `introspection.calls` are the bounds.";
    LimitDpop "limit.dpop" Limit 503 None "too many DPoP proofs are in use, of all keys or of this one"
        "Raise `dpop.replay_entries`, or shorten `dpop.max_age_seconds`.";
    SystemSharedData "system.shared_data" System 503 None "the gateway's workers cannot share what they must know"
        "Use a gateway that offers shared data to its plugins; nothing else may write under `countersign/`.";
    SystemKeysUnavailable "system.keys_unavailable" System 503 None "the issuer's keys are not available"
        "Check the JWKS cluster, its address and its TLS settings; the token itself was not judged.";
    SystemIntrospectionUnavailable "system.introspection_unavailable" System 503 None "the issuer gave no answer about the token"
        "Check the introspection cluster, its address, and the gateway's credential at the issuer; the token itself was not judged.";
    SystemRevocationUnavailable "system.revocation_unavailable" System 503 None "whether the token was revoked can't be known now"
        "Check the cluster and addresses of the issuer's `revocation`, and the gateway's log; the token itself was not judged.";
    SystemTokenServiceUnavailable "system.token_service_unavailable" System 503 None "the token service gave no token for upstream"
        "Wait and try again; the gateway's log says what was expected of the token service named by `upstream_token`.";
    SystemTimeout "system.timeout" System 503 None "a dependency did not answer in time"
        "Check the dependency named in the audit line.";
    SystemNotConfigured "system.not_configured" System 503 None "the gateway has no valid configuration"
        "Read the gateway's log for the configuration error.";
    SystemClientGone "system.client_gone" System 499 None "the client went away before the decision"
        "Nothing to do; the request was never forwarded.";
    SystemInternal "system.internal" System 500 None "the gateway failed internally"
        "Please report this with the audit line.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_start_with_their_layer() {
        let mut seen = BTreeSet::new();
        for reason in Reason::ALL {
            let (layer, _) = reason.code().split_once('.').unwrap();
            assert_eq!(layer, reason.layer().as_str(), "{}", reason.code());
            assert!(seen.insert(reason.code()), "{} twice", reason.code());
        }
    }

    #[test]
    fn unauthorized_always_carries_a_challenge() {
        for reason in Reason::ALL {
            if reason.status() == 401 {
                assert_ne!(reason.challenge(), Challenge::None, "{} (RFC 9110 §15.5.2)", reason.code());
            }
        }
    }
}
