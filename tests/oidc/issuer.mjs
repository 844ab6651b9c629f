// A certified OpenID provider for tests: client credentials, JWT and opaque access tokens, introspection, revocation, keys that
// can be changed while it runs. It takes one JSON document on standard input's first line,
//
//   { "targets": (exchange.mjs), "keys": [{"kid": "...", "pem": "..."}], "audience": "...",
//     "tls": { "key": "...", "cert": "...", "ca": "..." },
//     "clients": [{ "id": "...", "secret": "...", "subject": "...", "claims": {...}, "lifetime": 300,
//                   "certificate_bound": false }],
//     "gateway": { "secret": "...", "uri": "..." } }
//
// prints {"issuer": "http://127.0.0.1:PORT"} when it listens, and ends with standard input. With "tls" it listens on a second
// port too, over mutual TLS, and says so: {"issuer": ..., "secure": PORT}. Tokens are bound to the key of a DPoP proof where the
// client sends one, and to its certificate where it is "certificate_bound". A token for the resource AUDIENCE/opaque is opaque.
// The client "gateway" asks about tokens with its secret, and "gateway-certificate" with a certificate that names "uri". A later line
// {"keys": [...]} replaces the keys and is answered with {"rotated": true}; {"delay": MILLISECONDS} has introspection and exchanges take as long;
// {"refresh": CLIENT} is answered with a refresh token of that client's; {"count": true} is answered with how often discovery
// document, keys, introspection and exchanges were asked for, {"discovery": N, "jwks": N, "introspection": N, "exchange": N}. After {"references": true}
// it looks JWTs up too and takes them back, by references.mjs. The first key signs, with ES256.

import { createPrivateKey } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';
import { GRANT, register } from './exchange.mjs';
import { refer, refersTo } from './references.mjs';

// The library warns about its in-memory store, which is what a test wants.
for (const method of ['warn', 'info']) console[method] = () => {};

const algorithm = 'ES256';
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const config = JSON.parse((await lines.next()).value);
const clients = new Map(config.clients.map((client) => [client.id, client]));

function jwk({ kid, pem }) {
  return { ...createPrivateKey(pem).export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' };
}

// What tokens of a client say beside what all say.
function said(token) {
  const { subject, claims } = clients.get(token.clientId) ?? {};
  return { ...claims, ...(subject == null ? {} : { sub: subject }) };
}

// Gateways, by their two ways to prove themselves (RFC 6749 §2.3.1, RFC 8705 §2.1).
function gateways() {
  if (!config.gateway) return [];
  const grants = ['client_credentials', GRANT];
  const of = (client_id) => ({
    client_id, grant_types: grants, redirect_uris: [], response_types: [], introspection_signed_response_alg: algorithm,
  });
  return [
    { ...of('gateway'), client_secret: config.gateway.secret },
    {
      ...of('gateway-certificate'),
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_uri: config.gateway.uri,
    },
  ];
}

function provider(issuer, keys) {
  const peer = (ctx) => ctx.req.socket.getPeerX509Certificate?.();
  const made = new Provider(issuer, {
    jwks: { keys: keys.map(jwk) },
    cookies: { keys: ['only for tests'] },
    clientDefaults: {
      id_token_signed_response_alg: algorithm, introspection_signed_response_alg: algorithm,
    },
    enabledJWA: { idTokenSigningAlgValues: [algorithm], introspectionSigningAlgValues: [algorithm] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'tls_client_auth'],
    clients: config.clients.map(({ id, secret, certificate_bound = false }) => ({
      tls_client_certificate_bound_access_tokens: certificate_bound,
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })).concat(gateways()),
    extraTokenClaims: (_ctx, token) => said(token),
    ttl: { ClientCredentials: (_ctx, _token, client) => clients.get(client.clientId)?.lifetime ?? 300 },
    features: {
      jwtIntrospection: { enabled: true },
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: peer,
        certificateAuthorized: (ctx) => ctx.req.socket.authorized === true,
        certificateSubjectMatches: (ctx, _property, expected) => peer(ctx)?.subjectAltName === `URI:${expected}`,
      },
      introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId.startsWith('gateway') },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => client.clientId === token.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => config.audience,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: '',
          audience: config.audience,
          ...(resource === `${config.audience}/opaque`
            ? { accessTokenFormat: 'opaque' }
            : { accessTokenFormat: 'jwt', jwt: { sign: { alg: algorithm, kid: keys[0].kid } } }),
        }),
      },
    },
    formats: {
      customizers: {
        jwt: async (_ctx, token, parts) => {
          Object.assign(parts.payload, said(token));
          await refer(made, token, parts.payload);
        },
      },
    },
  });
  made.use((ctx, next) => (references ? refersTo(ctx, issuer, keys.map(jwk), next) : next()));
  const counted = () => {
    asked.exchange += 1;
    return new Promise((go) => setTimeout(go, delay));
  };
  return register(made, issuer, keys.map(jwk), config.targets ?? {}, counted);
}

let current;
let answering;
let delay = 0;
let references = false;
const asked = { discovery: 0, jwks: 0, introspection: 0, exchange: 0 };
function answer(request, response) {
  if (request.url === '/jwks') asked.jwks += 1;
  if (request.url === '/.well-known/openid-configuration') asked.discovery += 1;
  if (request.url !== '/token/introspection') return answering(request, response);
  asked.introspection += 1;
  return setTimeout(() => answering(request, response), delay);
}

function signWith(issuer, keys) {
  current = provider(issuer, keys);
  answering = current.callback();
}

async function refreshToken(id) {
  const client = await current.Client.find(id);
  return new current.RefreshToken({ client, accountId: clients.get(id).subject, expiresIn: 300 }).save();
}

const server = createServer(answer);
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  signWith(issuer, config.keys);
  let secure;
  if (config.tls) {
    const options = { ...config.tls, requestCert: true, rejectUnauthorized: true };
    secure = createSecureServer(options, answer);
    await new Promise((listening) => secure.listen(0, '127.0.0.1', listening));
  }
  say({ issuer, secure: secure?.address().port });
  for await (const line of lines) {
    const command = JSON.parse(line);
    if (command.keys) signWith(issuer, command.keys);
    delay = command.delay ?? delay;
    references = command.references ?? references;
    if (command.refresh) say({ token: await refreshToken(command.refresh) });
    else say(command.count ? asked : { rotated: true });
  }
  process.exit(0);
});
