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
    TokenMissing "token.missing" Token 401 Bare "no credential was presented"
        "Send `authorization: Bearer <token>`.";
    TokenScheme "token.scheme" Token 401 Bare "the authorization scheme is not supported"
        "Use the Bearer scheme.";
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
    TokenKeyAmbiguous "token.key.ambiguous" Token 401 InvalidToken "the token has no `kid` and several keys could be meant"
        "Have the issuer set `kid` in the token's header.";
    TokenSignature "token.signature" Token 401 InvalidToken "the token's signature is wrong"
        "The token was altered, or signed by another key than the one its `kid` names.";
    TokenClaims "token.claims" Token 401 InvalidToken "a claim of the token has the wrong type or form"
        "Check the types of `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti`, and of the claims that the configuration maps.";
    TokenExpiryMissing "token.expiry.missing" Token 401 InvalidToken "the token never expires"
        "Have the issuer set `exp`.";
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
    PolicyForbidden "policy.forbidden" Policy 403 InsufficientScope "a policy forbids the request"
        "Read the determining policies in the audit line.";
    PolicyNotPermitted "policy.not_permitted" Policy 403 InsufficientScope "no policy permits the request"
        "Run `countersign explain` with the request to see which clause of which policy failed.";
    PolicyForbidError "policy.forbid_error" Policy 403 InsufficientScope "a forbidding policy could not be evaluated"
        "Make the `forbid` total: test optional attributes with `has` first.";
    PolicyAttribute "policy.attribute" Policy 403 InsufficientScope "an attribute that the schema demands is absent or of the wrong type"
        "Check the mappings of `principal.attributes`, `resource.attributes` and `context` against the schema.";
    PolicyLimit "policy.limit" Policy 403 InsufficientScope "the policy evaluation exceeded its bounds"
        "Simplify the policy or the data; the bounds are fixed.";
    LimitPending "limit.pending" Limit 503 None "too many requests wait for issuer keys"
        "The key source is slow or down; see the key metrics.";
    SystemKeysUnavailable "system.keys_unavailable" System 503 None "the issuer's keys are not available"
        "Check the JWKS cluster, its address and its TLS settings; the token itself was not judged.";
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
