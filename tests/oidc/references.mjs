// JWTs that the provider can be asked about. It keeps nothing of those that it signs, and so neither looks them up nor takes them back. With each of
// them an opaque token is made that says the same: who asks about the JWT is answered about that one, by the provider's own endpoints, and who
// revokes the JWT revokes it.

import { createLocalJWKSet, jwtVerify } from 'jose';
import { parse } from 'node:querystring';
import { text } from 'node:stream/consumers';

const PATHS = ['/token/introspection', '/token/revocation'];

// By the JWTs' `jti`.
const references = new Map();

// Makes the opaque token that says what this JWT does.
export async function refer(provider, token, payload) {
  const reference = new provider.ClientCredentials({ client: token.client, expiresIn: token.expiration, scope: token.scope });
  reference.setAudience(payload.aud);
  for (const bound of ['jkt', 'x5t#S256']) reference[bound] = token[bound];
  references.set(payload.jti, await reference.save());
}

// Puts the opaque token into the place of its JWT in a request about it.
export async function refersTo(ctx, issuer, keys, next) {
  if (ctx.method !== 'POST' || !PATHS.includes(ctx.path)) return next();
  const form = parse(await text(ctx.req));
  const known = createLocalJWKSet({ keys: keys.map(({ d, ...key }) => key) });
  const jwt = await jwtVerify(form.token, known, { issuer }).catch(() => undefined);
  form.token = references.get(jwt?.payload.jti) ?? form.token;
  ctx.req.body = { ...form };
  return next();
}
