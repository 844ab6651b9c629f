// A proxy-wasm host under V8, with what a request uses of the ABI. It answers as the simulator does.

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const EMPTY = 7;
const INVALID_MEMORY = 6;
const CAS_MISMATCH = 8;
const UNIMPLEMENTED = 12;
const ROOT = 1;
const INFO = 2;
const MASK = (1n << 64n) - 1n;
/** First parts of property paths that guests cannot set. */
const RESERVED = new Set(
  (
    "metadata request response connection upstream node source destination listener_direction listener_metadata " +
    "cluster_name cluster_metadata route_name route_metadata plugin_name upstream_host_metadata plugin_root_id " +
    "plugin_vm_id connection_id filter_state"
  ).split(" "),
);

const eightBytes = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.toString("latin1");
};

class Host {
  constructor(module, world) {
    this.world = world;
    this.config = Buffer.from(world.config, "latin1");
    this.vmConfig = Buffer.from(world.vm_config, "latin1");
    this.now = BigInt(world.clock);
    this.state = BigInt(world.seed);
    this.streams = new Map();
    this.touched = new Set();
    this.shared = new Map();
    this.cas = 0;
    this.metrics = new Map();
    this.cells = new Map();
    this.queues = [];
    this.ready = [];
    this.kinds = [0, 0, 0];
    this.calls = [];
    this.tokens = 0;
    this.answer = undefined;
    this.logs = [];
    this.nextId = ROOT + 1;
    this.current = this.effective = 0;
    this.configuring = false;
    this.asked = Object.fromEntries(
      Object.entries(world.clusters).map(([name, rules]) => [name, rules.map((rule) => ({ ...rule, next: 0 }))]),
    );
    this.start(module);
  }

  start(module) {
    const imports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      if (kind !== "function") continue;
      imports[from] ??= {};
      imports[from][name] = this[name]?.bind(this) ?? (() => {
        throw new Error(`\`${name}\` is not there under V8`);
      });
    }
    this.exports = new WebAssembly.Instance(module, imports).exports;
    this.allocate_ = this.exports.malloc ?? this.exports.proxy_on_memory_allocate;
    if (this.exports._initialize) {
      this.exports._initialize();
      this.exports.main?.(0, 0);
    } else this.exports._start?.();
    this.configuring = true;
    this.call("proxy_on_context_create", ROOT, 0);
    this.configuring = false;
    if (this.call("proxy_on_vm_start", ROOT, this.vmConfig.length) === 0) throw new Error("refused its VM configuration");
    this.configuring = true;
    if (this.call("proxy_on_configure", ROOT, this.config.length) === 0) throw new Error("refused its configuration");
    this.configuring = false;
  }

  call(name, context, ...rest) {
    const callback = this.exports[name];
    if (!callback) return undefined;
    this.current = context;
    this.effective = 0;
    const result = callback(context, ...rest);
    this.current = this.effective = 0;
    return result;
  }

  // Memory.

  get memory() {
    // A memory that grew has another buffer.
    const { buffer } = this.exports.memory;
    if (this.view_?.buffer !== buffer) this.view_ = Buffer.from(buffer);
    return this.view_;
  }
  text(at, size) {
    return this.memory.toString("latin1", at >>> 0, (at >>> 0) + (size >>> 0));
  }
  slice(at, size) {
    return Buffer.from(this.memory.subarray(at >>> 0, (at >>> 0) + (size >>> 0)));
  }
  u32(at, value) {
    this.memory.writeUInt32LE(value >>> 0, at >>> 0);
  }
  /** Gives the guest bytes, or a text, in memory that it allocates. */
  give(value, dataAt, sizeAt) {
    const size = value.length;
    let at = 0;
    if (size > 0) {
      at = this.allocate_(size) >>> 0;
      if (at === 0) return INVALID_MEMORY;
      if (typeof value === "string") this.memory.write(value, at, "latin1");
      else value.copy(this.memory, at);
    }
    if (dataAt) this.u32(dataAt, at);
    if (sizeAt) this.u32(sizeAt, size);
    return OK;
  }

  // Streams.

  get context() {
    return this.effective === ROOT || this.streams.has(this.effective) ? this.effective : this.current;
  }
  get stream() {
    return this.streams.get(this.context);
  }

  /** Runs one exchange and says what became of it. */
  run({ request, response, properties }) {
    const id = this.nextId++;
    const stream = {
      id,
      request: new Half(request),
      response: new Half(),
      properties,
      set: new Map(),
      actions: {},
      reply: undefined,
      end: undefined,
      logging: false,
    };
    this.streams.set(id, stream);
    this.call("proxy_on_context_create", id, ROOT);
    this.progress(stream);
    for (let nth = 0; nth < 1000 && this.calls.length > 0 && this.disposition(stream) === "held"; nth++) this.deliver();
    const disposition = this.disposition(stream);
    if (disposition === "forwarded" && response && !stream.response.began) {
      stream.response = new Half(response);
      this.progress(stream);
    }
    this.close(stream);
    return { disposition, stream };
  }
  disposition({ end, reply, request }) {
    if (end) return "failed";
    if (reply) return `reply ${reply.status}`;
    return request.done ? "forwarded" : "held";
  }
  close(stream) {
    const { id, request, response } = stream;
    request.release();
    response.release();
    stream.logging = request.logged = true;
    response.logged = response.began;
    this.call("proxy_on_log", id);
    this.call("proxy_on_done", id);
    this.call("proxy_on_delete", id);
    this.streams.delete(id);
    this.followUp();
  }
  progress(stream) {
    this.pump(stream, "request");
    this.pump(stream, "response");
    this.followUp();
  }
  pump(stream, side) {
    for (;;) {
      if (stream.end || (side === "request" && stream.reply)) return;
      const half = stream[side];
      const step = half.next();
      if (!step) return;
      const { part, size, end } = step;
      const rest = part === "trailers" ? [] : [Number(end)];
      const action = this.call(`proxy_on_${side}_${part}`, stream.id, size, ...rest) ?? 0;
      half.settle(part, action >>> 0, Boolean(stream.actions.reply));
      if (this.touched.delete(stream.id)) this.act(stream);
    }
  }
  followUp() {
    for (const id of this.touched) {
      this.touched.delete(id);
      const stream = this.streams.get(id);
      if (!stream) continue;
      this.act(stream);
      this.progress(stream);
    }
    this.hear();
  }
  /** Tells of what was put into queues. */
  hear() {
    for (let nth = 0; nth < 1000 && this.ready.length > 0; nth++) {
      this.call("proxy_on_queue_ready", ROOT, this.ready.shift());
      if (this.touched.size > 0) this.followUp();
    }
  }
  act(stream) {
    const { actions } = stream;
    stream.actions = {};
    if (stream.end) return;
    if (actions.close) {
      stream.end = "closed";
    } else if (actions.reply) {
      if (stream.reply) return;
      const { reply } = actions;
      const replaces = stream.response.began;
      stream.request.waiting = [];
      stream.request.release();
      const body = reply.body.length > 0 ? [reply.body] : [];
      stream.response = new Half({ headers: replyHeaders(reply).pairs, body });
      if (replaces) Object.assign(stream.response, { stage: "done", waiting: [], passed: Buffer.from(reply.body, "latin1") });
      stream.reply = reply;
    } else {
      if (actions.request) stream.request.resume();
      if (actions.response) stream.response.resume();
    }
  }
  /** Answers the call that was made first. */
  deliver() {
    const { token, cluster, path, body } = this.calls.shift();
    const bare = path.split("?")[0];
    const fits = (rule) => (rule.path == null || rule.path === bare || rule.path === path) && body.includes(rule.holds ?? "");
    const rule = this.asked[cluster].find(fits);
    const answer = rule?.answers[Math.min(rule.next++, rule.answers.length - 1)] ?? { status: 404, headers: [], body: "" };
    const headers = new HeaderMap([[":status", String(answer.status)], ...answer.headers]);
    this.answer = { headers, trailers: new HeaderMap(), body: Buffer.from(answer.body, "latin1") };
    this.call("proxy_on_http_call_response", ROOT, token, headers.size, this.answer.body.length, 0);
    this.answer = undefined;
    this.followUp();
  }
}
