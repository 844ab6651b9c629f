// The verdicts of `jose`, as a service that expects signed tokens would ask for them. Lines of JSON in, one line out for each:
// `{ jwks, issuer, audience, algorithms, tolerance }` first, then `{ now, tokens }` as often as one likes.
import { createInterface } from 'node:readline';
import { createLocalJWKSet, jwtVerify } from 'jose';

let keys;
let options;

async function verdict(token, currentDate) {
  try {
    await jwtVerify(token, keys, { ...options, currentDate });
    return null;
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  let answer = [];
  if (said.jwks) {
    keys = createLocalJWKSet(said.jwks);
    const { issuer, audience, algorithms, tolerance: clockTolerance } = said;
    options = { issuer, audience, algorithms, clockTolerance, requiredClaims: ['exp'] };
  } else {
    const now = new Date(said.now * 1000);
    answer = await Promise.all(said.tokens.map((token) => verdict(token, now)));
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
