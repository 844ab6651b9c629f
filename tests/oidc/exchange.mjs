// Token exchange (RFC 8693) as a registered grant of the provider: a gateway hands in a token and gets one of the same subject for one
// audience, with the scopes that this audience knows, and the workload that it vouches for as actor. "targets" says of each audience who may
// come there: { "AUDIENCE": { "from": ["AUDIENCE", ...], "scopes": [...], "refuses": ["SUBJECT", ...] } }.

import { randomUUID } from 'node:crypto';
import { SignJWT, createLocalJWKSet, importJWK, jwtVerify } from 'jose';
import { errors } from 'oidc-provider';

export const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const SPIFFE_ID = 'urn:countersign:token-type:spiffe-id';

const one = (value) => (Array.isArray(value) ? value : [value]);

export function register(provider, issuer, keys, targets, counted) {
  const known = createLocalJWKSet({ keys: keys.map(({ d, ...key }) => key) });
  const exchange = async (ctx) => {
    await counted();
    const { params, client } = ctx.oidc;
    const target = targets[params.audience];
    if (!target) throw new errors.InvalidTarget();
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('subject_token_type');
    const subject = await jwtVerify(params.subject_token, known, { issuer }).catch(() => {
      throw new errors.InvalidGrant('subject_token');
    });
    const { payload } = subject;
    if (!one(payload.aud).some((audience) => target.from.includes(audience))) throw new errors.InvalidTarget();
    if (target.refuses?.includes(payload.sub)) throw new errors.InvalidGrant('the subject');
    const scopes = (params.scope ?? '').split(' ').filter(Boolean);
    if (!scopes.every((scope) => target.scopes.includes(scope))) throw new errors.InvalidScope('too much', params.scope);
    if (params.actor_token && params.actor_token_type !== SPIFFE_ID) throw new errors.InvalidRequest('actor_token_type');
    const now = Math.floor(Date.now() / 1000);
    const expires = Math.min(now + (target.lifetime ?? 300), payload.exp);
    const { tenant, region } = payload;
    const claims = {
      tenant, region, client_id: client.clientId, scope: scopes.join(' '), purpose: params.purpose,
      act: { sub: params.actor_token ?? client.clientId, ...(payload.act ? { act: payload.act } : {}) },
    };
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: keys[0].alg, kid: keys[0].kid, typ: 'at+jwt' })
      .setIssuer(issuer).setSubject(payload.sub).setAudience(params.audience).setJti(randomUUID())
      .setIssuedAt(now).setExpirationTime(expires)
      .sign(await importJWK(keys[0], keys[0].alg));
    ctx.body = {
      access_token: token, issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: expires - now,
      scope: scopes.join(' '),
    };
  };
  const parameters = [
    'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'audience', 'scope', 'requested_token_type',
    'purpose',
  ];
  provider.registerGrantType(GRANT, exchange, parameters);
  return provider;
}
