//! Issuers: algorithms, audiences, times, and the mapping to a principal.

use super::schema::{SchemaView, attribute as declared_attribute, complete};
use super::{ConfigError, KeySettings, introspection, keys, revocation};
use crate::attribute::{self, AttributeType};
use crate::config::{self, AttributeSource, IssuerProfile};
use crate::crypto::Algorithm;
use crate::introspection::IntrospectionSettings;
use crate::jose::bare_type;
use crate::policy::Value;
use crate::revocation::{RevocationSettings, Wanted};
use crate::time::Span;
use crate::token::ClaimPath;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A clock further off than this is a fault to mend, not to allow for.
const MAX_SKEW_SECONDS: u32 = 300;
const MAX_LIFETIME_SECONDS: u32 = 86_400 * 366;
const MAX_ACTORS: u32 = 8;

/// A trusted issuer.
pub struct IssuerSettings {
    /// `iss`; the trust domain's SPIFFE ID where it issues JWT-SVIDs.
    pub name: Box<str>,
    /// What kind of tokens it issues.
    pub profile: IssuerProfile,
    /// The values of `aud` that mean us.
    pub audiences: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySettings,
    /// The algorithms it may use.
    pub algorithms: Vec<Algorithm>,
    /// Accepted values of `typ`.
    pub token_types: Vec<String>,
    /// Whether `typ` may be absent.
    pub allow_missing_type: bool,
    /// How far its clock may be from ours.
    pub clock_skew: Span,
    /// The longest life of a token.
    pub max_lifetime: Span,
    /// The claim that names the workload that may present a token.
    pub workload_claim: Option<ClaimPath>,
    /// How its tokens become a principal.
    pub principal: PrincipalSettings,
    /// Whom to ask about its opaque tokens.
    pub introspection: Option<IntrospectionSettings>,
    /// What it publishes about tokens that it took back.
    pub revocation: Option<RevocationSettings>,
    /// How its tokens say that one party acts for another.
    pub delegation: Option<DelegationSettings>,
}

impl IssuerSettings {
    /// The trust domain whose JWT-SVIDs it issues.
    pub fn trust_domain(&self) -> Option<&str> {
        match self.profile {
            IssuerProfile::JwtSvid => self.name.strip_prefix("spiffe://"),
            IssuerProfile::Jwt | IssuerProfile::AccessToken => None,
        }
    }
}

/// How tokens say that one party acts for another.
pub struct DelegationSettings {
    /// How the outermost actor becomes the principal.
    pub actor: PrincipalSettings,
    /// How many actors a token may name.
    pub max_depth: usize,
    /// Whether it must name one.
    pub required: bool,
}

/// How a token becomes a principal.
pub struct PrincipalSettings {
    /// The Cedar entity type.
    pub entity_type: Box<str>,
    /// The claim that names it.
    pub id: ClaimPath,
    /// Its roles.
    pub roles: Option<RoleSettings>,
    /// Its attributes.
    pub attributes: Vec<PrincipalAttribute>,
}

/// Where a principal's roles come from.
pub struct RoleSettings {
    /// The claim.
    pub claim: ClaimPath,
    /// The Cedar entity type of a role.
    pub entity_type: Box<str>,
}

/// An attribute of a principal.
pub struct PrincipalAttribute {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: AttributeType,
    /// Whether the schema demands it.
    pub required: bool,
    /// Where it comes from.
    pub source: PrincipalSource,
}

/// Where an attribute of a principal comes from.
pub enum PrincipalSource {
    /// The configuration.
    Constant(Value),
    /// The token.
    Claim(ClaimPath),
}

/// Checks and prepares all issuers.
pub(super) fn prepare(
    issuers: &[config::Issuer],
    schema: &SchemaView<'_>,
) -> Result<(Vec<IssuerSettings>, Vec<Wanted>), ConfigError> {
    let mut prepared: Vec<IssuerSettings> = Vec::with_capacity(issuers.len());
    let mut documents = Vec::new();
    for (index, issuer) in issuers.iter().enumerate() {
        let place = format!("issuers[{index}]");
        if prepared.iter().any(|other| *other.name == *issuer.issuer) {
            let message = format!("expected each issuer once, found `{}` again", issuer.issuer);
            return Err(ConfigError::at(format!("{place}.issuer"), message));
        }
        if issuer.introspection.is_some() && prepared.iter().any(|other| other.introspection.is_some()) {
            return Err(ConfigError::at(
                format!("{place}.introspection"),
                "expected `introspection` of one issuer at most: an opaque token does not say whose it is",
            ));
        }
        let mut one = one(issuer, schema).map_err(|error| error.within(&place))?;
        if let Some(revocation) = &issuer.revocation {
            let prepared = revocation::prepare(revocation, issuer, index, &one.keys, &mut documents);
            let within = |error: ConfigError| error.within("revocation").within(&place);
            one.revocation = Some(prepared.map_err(within)?);
        }
        prepared.push(one);
    }
    Ok((prepared, documents))
}

fn one(issuer: &config::Issuer, schema: &SchemaView<'_>) -> Result<IssuerSettings, ConfigError> {
    if issuer.issuer.is_empty() {
        return Err(ConfigError::at(
            "issuer",
            "expected the `iss` claim of the issuer's tokens, found an empty text",
        ));
    }
    if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
        return Err(ConfigError::at("audiences", "expected at least one audience, and none of them empty"));
    }
    let algorithms = issuer_algorithms(issuer)?;
    let (token_types, allow_missing_type) = token_types(issuer)?;
    let workload_claim =
        issuer.workload_claim.as_deref().map(|path| claim("workload_claim", path)).transpose()?;
    let clock_skew = bounded("clock_skew_seconds", issuer.clock_skew_seconds, 0, MAX_SKEW_SECONDS)?;
    let max_lifetime = bounded("max_lifetime_seconds", issuer.max_lifetime_seconds, 1, MAX_LIFETIME_SECONDS)?;
    Ok(IssuerSettings {
        name: issuer.issuer.clone().into(),
        profile: issuer.profile,
        audiences: issuer.audiences.clone(),
        keys: keys::prepare(issuer)?,
        algorithms,
        token_types,
        allow_missing_type,
        clock_skew: Span::from_secs(clock_skew),
        max_lifetime: Span::from_secs(max_lifetime),
        workload_claim,
        principal: principal(&issuer.principal, schema).map_err(|error| error.within("principal"))?,
        revocation: None,
        introspection: issuer
            .introspection
            .as_ref()
            .map(|introspection| introspection::prepare(introspection, issuer))
            .transpose()
            .map_err(|error| error.within("introspection"))?,
        delegation: issuer
            .delegation
            .as_ref()
            .map(|delegation| self::delegation(delegation, schema))
            .transpose()
            .map_err(|error| error.within("delegation"))?,
    })
}

/// The algorithms of a list.
pub(super) fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, ConfigError> {
    let one = |(index, name): (usize, &String)| {
        Algorithm::from_name(name).ok_or_else(|| {
            ConfigError::at(
                format!("algorithms[{index}]"),
                format!("expected {}, found `{name}`", Algorithm::names()),
            )
        })
    };
    match names {
        [] => Err(ConfigError::at("algorithms", format!("expected at least one of {}", Algorithm::names()))),
        names => names.iter().enumerate().map(one).collect(),
    }
}

fn issuer_algorithms(issuer: &config::Issuer) -> Result<Vec<Algorithm>, ConfigError> {
    let Some(names) = &issuer.algorithms else {
        return Ok(match issuer.profile {
            IssuerProfile::Jwt | IssuerProfile::AccessToken => {
                [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].to_vec()
            }
            IssuerProfile::JwtSvid => {
                Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::EdDsa).collect()
            }
        });
    };
    let algorithms = algorithms(names)?;
    // JWT-SVID §2.1 lists those of RSA and ECDSA alone.
    match algorithms.iter().position(|algorithm| *algorithm == Algorithm::EdDsa) {
        Some(index) if issuer.profile == IssuerProfile::JwtSvid => Err(ConfigError::at(
            format!("algorithms[{index}]"),
            "expected an algorithm of RSA or ECDSA for JWT-SVIDs, found `EdDSA`",
        )),
        Some(_) | None => Ok(algorithms),
    }
}

/// The accepted values of `typ`, and whether it may be absent.
fn token_types(issuer: &config::Issuer) -> Result<(Vec<String>, bool), ConfigError> {
    let list = |types: &[&str]| types.iter().map(|typ| String::from(*typ)).collect();
    let said = issuer.token_types.is_some() || issuer.allow_missing_type;
    match (issuer.profile, &issuer.token_types) {
        (IssuerProfile::AccessToken | IssuerProfile::JwtSvid, _) if said => Err(ConfigError::at(
            "token_types",
            "expected neither `token_types` nor `allow_missing_type` beside a `profile` that says which types there are",
        )),
        // RFC 9068 §2.1, JWT-SVID §2.3.
        (IssuerProfile::AccessToken, _) => Ok((list(&["at+jwt"]), false)),
        (IssuerProfile::JwtSvid, _) => Ok((list(&["JWT", "JOSE"]), true)),
        (IssuerProfile::Jwt, None) => Ok((list(&["at+jwt", "JWT"]), issuer.allow_missing_type)),
        (IssuerProfile::Jwt, Some(types)) if types.is_empty() && !issuer.allow_missing_type => {
            Err(ConfigError::at("token_types", "expected at least one type, or `allow_missing_type: true`"))
        }
        (IssuerProfile::Jwt, Some(types)) => Ok((bare_types(types)?, issuer.allow_missing_type)),
    }
}

/// Types as tokens' are compared with them: without `application/`.
fn bare_types(types: &[String]) -> Result<Vec<String>, ConfigError> {
    let one = |(index, typ): (usize, &String)| match bare_type(typ) {
        "" => Err(ConfigError::at(
            format!("token_types[{index}]"),
            format!("expected a type such as `at+jwt`, found `{typ}`"),
        )),
        bare => Ok(String::from(bare)),
    };
    types.iter().enumerate().map(one).collect()
}

fn delegation(
    delegation: &config::Delegation,
    schema: &SchemaView<'_>,
) -> Result<DelegationSettings, ConfigError> {
    let max_depth = bounded("max_depth", delegation.max_depth, 1, MAX_ACTORS)?;
    Ok(DelegationSettings {
        actor: principal(&config::Principal::from(&delegation.actor), schema)
            .map_err(|error| error.within("actor"))?,
        max_depth: usize::try_from(max_depth).unwrap_or(1),
        required: delegation.required,
    })
}

fn claim(field: &str, text: &str) -> Result<ClaimPath, ConfigError> {
    ClaimPath::parse(text)
        .map_err(|expected| ConfigError::at(field, format!("expected {expected}, found `{text}`")))
}

/// A number within its bounds, as an integer of the core's time types.
pub(super) fn bounded(field: &str, value: u32, least: u32, most: u32) -> Result<i64, ConfigError> {
    if (least..=most).contains(&value) {
        Ok(i64::from(value))
    } else {
        Err(ConfigError::at(field, format!("expected a number from {least} to {most}, found {value}")))
    }
}

fn principal(
    principal: &config::Principal,
    schema: &SchemaView<'_>,
) -> Result<PrincipalSettings, ConfigError> {
    let shape = schema.declared("type", &principal.entity_type)?;
    let roles = match &principal.roles {
        None => None,
        Some(roles) => {
            schema.declared("roles.type", &roles.entity_type)?;
            Some(RoleSettings {
                claim: claim("roles.claim", &roles.claim)?,
                entity_type: roles.entity_type.clone().into(),
            })
        }
    };
    let mut attributes = Vec::new();
    for (name, source) in &principal.attributes {
        let place = format!("attributes.{name}");
        let field = declared_attribute(&shape, &principal.entity_type, name, &place)?;
        let source = match source {
            AttributeSource::Claim(path) => PrincipalSource::Claim(claim(&place, path)?),
            AttributeSource::Value(value) => {
                PrincipalSource::Constant(attribute::from_config(value, &field.ty).map_err(|_| {
                    ConfigError::at(&*place, format!("expected a value of type `{}`", field.ty))
                })?)
            }
            AttributeSource::Path(_)
            | AttributeSource::Query(_)
            | AttributeSource::Header(_)
            | AttributeSource::Request(_)
            | AttributeSource::Token(_)
            | AttributeSource::Workload(_) => {
                return Err(ConfigError::at(
                    place,
                    "expected `claim` or `value`: a principal is what its token says",
                ));
            }
        };
        attributes.push(PrincipalAttribute {
            name: Box::from(&**name),
            ty: field.ty.clone(),
            required: field.required,
            source,
        });
    }
    let given = |name: &str| principal.attributes.contains_key(name);
    complete(&shape, &principal.entity_type, "source", given)?;
    Ok(PrincipalSettings {
        entity_type: principal.entity_type.clone().into(),
        id: claim("id", &principal.id)?,
        roles,
        attributes,
    })
}
