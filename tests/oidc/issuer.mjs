// A certified OpenID provider for tests: client credentials, JWT access tokens, keys that can be changed
// while it runs. It takes one JSON document on standard input's first line,
//
//   { "keys": [{"kid": "...", "pem": "..."}], "audience": "...",
//     "tls": { "key": "...", "cert": "...", "ca": "..." },
//     "clients": [{ "id": "...", "secret": "...", "subject": "...", "claims": {...}, "lifetime": 300,
//                   "certificate_bound": false }] }
//
// prints {"issuer": "http://127.0.0.1:PORT"} when it listens, and ends with standard input. With "tls" it listens on a second
// port too, over mutual TLS, and says so: {"issuer": ..., "secure": PORT}. Tokens are bound to the key of a DPoP proof where the
// client sends one, and to its certificate where it is "certificate_bound". A later line
// {"keys": [...]} replaces the keys and is answered with {"rotated": true}; {"count": true} is answered with how often
// discovery document and keys were asked for, {"discovery": N, "jwks": N}. The first key signs, with ES256.

import { createPrivateKey } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

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

function provider(issuer, keys) {
  return new Provider(issuer, {
    jwks: { keys: keys.map(jwk) },
    cookies: { keys: ['only for tests'] },
    clientDefaults: { id_token_signed_response_alg: algorithm },
    enabledJWA: { idTokenSigningAlgValues: [algorithm] },
    clients: config.clients.map(({ id, secret, certificate_bound = false }) => ({
      tls_client_certificate_bound_access_tokens: certificate_bound,
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    ttl: { ClientCredentials: (_ctx, _token, client) => clients.get(client.clientId).lifetime ?? 300 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.(),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => config.audience,
        getResourceServerInfo: () => ({
          scope: '',
          audience: config.audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: algorithm, kid: keys[0].kid } },
        }),
      },
    },
    formats: {
      customizers: {
        jwt: (_ctx, token, parts) => {
          const { subject, claims } = clients.get(token.clientId);
          Object.assign(parts.payload, claims, subject == null ? {} : { sub: subject });
        },
      },
    },
  });
}

let answer;
const asked = { discovery: 0, jwks: 0 };
const server = createServer((request, response) => {
  if (request.url === '/jwks') asked.jwks += 1;
  if (request.url === '/.well-known/openid-configuration') asked.discovery += 1;
  return answer(request, response);
});
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer, config.keys).callback();
  let secure;
  if (config.tls) {
    const options = { ...config.tls, requestCert: true, rejectUnauthorized: true };
    secure = createSecureServer(options, (request, response) => answer(request, response));
    await new Promise((listening) => secure.listen(0, '127.0.0.1', listening));
  }
  say({ issuer, secure: secure?.address().port });
  for await (const line of lines) {
    const { keys, count } = JSON.parse(line);
    if (keys) answer = provider(issuer, keys).callback();
    say(count ? asked : { rotated: true });
  }
  process.exit(0);
});
