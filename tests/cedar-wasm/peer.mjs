// Measures under Node, on behalf of `bench-cedar`: commands come in as lines of JSON, results go out the same way.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as cedar from "@cedar-policy/cedar-wasm/nodejs";

const FAULT = 0xffffffff;
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const ours = () => new WebAssembly.Instance(module, {}).exports;
let policy = ours();
let requests = [];
let calls = [];

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
const timed = (act) => {
  const since = process.hrtime.bigint();
  const allowed = act();
  return { ns: Number(process.hrtime.bigint() - since), allowed };
};

const commands = {
  load({ image, request_files, policies, asked }) {
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
    return {
      load_ns: ns,
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
  version: () => ({ node: process.version, cedar: cedar.getCedarSDKVersion() }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let said;
  try {
    said = commands[command](rest);
  } catch (error) {
    said = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
