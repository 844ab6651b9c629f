// Commands come in as lines of JSON, results go out the same way.
const { createInterface } = await import("node:readline");

const hosts = {};
const nanoseconds = (act) => {
  const since = process.hrtime.bigint();
  const result = act();
  return [Number(process.hrtime.bigint() - since), result];
};

const commands = {
  version: () => ({ node: process.version, v8: process.versions.v8 }),
  /** Compiles a module and starts it in its world. */
  load({ name, wasm, world }) {
    const bytes = Buffer.from(wasm, "base64");
    const [compile, module] = nanoseconds(() => new WebAssembly.Module(bytes));
    const [start, host] = nanoseconds(() => new Host(module, world));
    hosts[name] = host;
    return { compile, start };
  },
  /** What becomes of each request, in turn. */
  decide({ name, requests }) {
    const host = hosts[name];
    const outcomes = requests.map((request) => {
      host.logs = [];
      const { disposition, stream } = host.run(request);
      const reply = stream.reply && {
        status: Number(stream.response.headers.get(":status")),
        headers: stream.response.headers.pairs,
        body: stream.response.done ? stream.response.passed.toString("latin1") : stream.reply.body,
      };
      const forwarded = disposition === "forwarded" ? stream.request.message() : undefined;
      const sent = !reply && stream.response.done ? stream.response.message() : undefined;
      return { disposition, forwarded, reply, sent, logs: host.logs };
    });
    return { outcomes };
  },
  /** How long a request takes, so many times. */
  time({ name, request, times }) {
    const host = hosts[name];
    const taken = [];
    for (let nth = 0; nth < times; nth++) {
      host.logs.length = 0;
      taken.push(nanoseconds(() => host.run(request))[0]);
    }
    return { times: taken };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let said;
  try {
    said = commands[command](rest);
  } catch (error) {
    said = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
