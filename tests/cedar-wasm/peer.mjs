// Measures under Node, on behalf of `bench-cedar`: commands come in as lines of JSON, results go out the same way.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as cedar from "@cedar-policy/cedar-wasm/nodejs";
import * as cedarling from "@janssenproject/cedarling_wasm";

const FAULT = 0xffffffff;
const within = (file) => fileURLToPath(new URL(file, import.meta.resolve("@janssenproject/cedarling_wasm")));
cedarling.initSync({ module: readFileSync(within("cedarling_wasm_bg.wasm")) });
const { version: cedarlingVersion } = JSON.parse(readFileSync(within("package.json"), "utf8"));
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const ours = () => new WebAssembly.Instance(module, {}).exports;
let policy = ours();
let requests = [];
let calls = [];
let jans;
let jansCalls = [];

const give = (bytes) => {
  const at = policy.countersign_policy_input(bytes.length);
  if (at === 0) throw new Error("the policy module takes no such input");
  new Uint8Array(policy.memory.buffer).set(bytes, at);
};
const checked = (code) => {
  if (code >>> 0 !== FAULT) return code >>> 0;
  const at = policy.countersign_policy_output();
  throw new Error(Buffer.from(policy.memory.buffer, at, policy.countersign_policy_output_length()).toString());
};
const peer = (call) => {
  const answer = cedar.statefulIsAuthorized(call);
  if (answer.type !== "success") throw new Error(JSON.stringify(answer));
  return answer.response;
};
// Cedarling takes policies one by one, and attributes of principal and resource, not what they lie in.
const startCedarling = async (policies, schema, asked) => {
  const text = (body) => ({ encoding: "none", content_type: "cedar", body });
  const about = { cedar_version: "v4.0.0", name: "bench", description: "bench" };
  const store = {
    cedar_version: "v4.0.0",
    policy_stores: {
      bench: {
        ...about,
        policies: Object.fromEntries(
          policies.map((body, at) => [
            `p${at}`,
            { description: "bench", creation_date: "2026-01-01T00:00:00.000000", policy_content: text(body) },
          ]),
        ),
        schema: text(schema),
      },
    },
  };
  jans?.free();
  jans = await cedarling.init({
    CEDARLING_APPLICATION_NAME: "bench",
    CEDARLING_POLICY_STORE_LOCAL: JSON.stringify(store),
    CEDARLING_LOG_TYPE: "off",
    CEDARLING_JWT_SIG_VALIDATION: "disabled",
    CEDARLING_JWT_STATUS_VALIDATION: "disabled",
  });
  const entity = (entities, { type, id }) => {
    const found = entities.find(({ uid }) => uid.type === type && uid.id === id);
    return { cedar_entity_mapping: { entity_type: type, id }, ...found.attrs };
  };
  jansCalls = asked.map(({ principal, action, resource, context, entities }) =>
    JSON.stringify({
      principal: entity(entities, principal),
      action: `${action.type}::"${action.id}"`,
      resource: entity(entities, resource),
      context,
    }),
  );
};
const askCedarling = async (call) => {
  const answer = await jans.authorize_unsigned(call);
  const allowed = answer.decision;
  answer.free();
  return allowed;
};
const timed = (act) => {
  const since = process.hrtime.bigint();
  const allowed = act();
  return { ns: Number(process.hrtime.bigint() - since), allowed };
};

const commands = {
  async load({ image, request_files, policies, asked, cedarling: forCedarling }) {
    policy = ours();
    const bytes = readFileSync(image);
    const { ns } = timed(() => {
      give(bytes);
      return checked(policy.countersign_policy_load());
    });
    requests = request_files.map((file) => readFileSync(file));
    for (const request of requests) {
      give(request);
      checked(policy.countersign_policy_request());
    }
    const parsed = cedar.preparsePolicySet("bench", { staticPolicies: readFileSync(policies, "utf8") });
    if (parsed.type !== "success") throw new Error(JSON.stringify(parsed));
    calls = asked.map((call) => ({ ...call, preparsedPolicySetId: "bench", validateRequest: false }));
    const theirs = [];
    if (forCedarling) {
      await startCedarling(forCedarling.policies, forCedarling.schema, asked);
      for (const call of jansCalls) theirs.push(await askCedarling(call));
    }
    return {
      load_ns: ns,
      cedarling: theirs,
      ours: requests.map((_, number) => checked(policy.countersign_policy_evaluate(number)) === 1),
      peer: calls.map((call) => peer(call).decision === "allow"),
    };
  },
  // The prepared requests in turn, in a loop inside the module.
  ours: ({ times }) => timed(() => checked(policy.countersign_policy_repeat(times))),
  // A whole call from outside: the request is copied in, decoded and answered.
  whole: ({ times }) =>
    timed(() => {
      let allowed = 0;
      for (let at = 0; at < times; at++) {
        give(requests[at % requests.length]);
        allowed += checked(policy.countersign_policy_answer());
      }
      return allowed;
    }),
  peer: ({ times }) =>
    timed(() => {
      let allowed = 0;
      for (let at = 0; at < times; at++) allowed += peer(calls[at % calls.length]).decision === "allow" ? 1 : 0;
      return allowed;
    }),
  cedarling: async ({ times }) => {
    const since = process.hrtime.bigint();
    let allowed = 0;
    for (let at = 0; at < times; at++) allowed += (await askCedarling(jansCalls[at % jansCalls.length])) ? 1 : 0;
    return { ns: Number(process.hrtime.bigint() - since), allowed };
  },
  version: () => ({ node: process.version, cedar: cedar.getCedarSDKVersion(), cedarling: cedarlingVersion }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let said;
  try {
    said = await commands[command](rest);
  } catch (error) {
    said = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
// Cedarling leaves timers behind.
process.exit(0);
