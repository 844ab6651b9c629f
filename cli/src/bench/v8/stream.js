// Header maps and streams as the simulator holds them. Bytes are strings of one character each (latin1).

/** Headers of which a gateway holds one value: `header_map.rs` of the simulator. */
const SINGLE = new Set(
  (
    "authorization connection content-length content-type date expect grpc-message grpc-status server te transfer-encoding " +
    "upgrade user-agent via x-forwarded-for x-forwarded-proto"
  ).split(" "),
);

/** Pairs in order, names in lower case, pseudo-headers in front of the others. */
class HeaderMap {
  constructor(pairs = []) {
    this.pairs = [];
    for (const [name, value] of pairs) this.append(name, value);
  }
  get(name) {
    name = name.toLowerCase();
    return this.pairs.find((pair) => pair[0] === name)?.[1];
  }
  all(name) {
    name = name.toLowerCase();
    return this.pairs.filter((pair) => pair[0] === name).map((pair) => pair[1]);
  }
  append(name, value) {
    name = name.toLowerCase();
    if (!name.startsWith(":")) return void this.pairs.push([name, value]);
    const at = this.pairs.findIndex((pair) => !pair[0].startsWith(":"));
    this.pairs.splice(at < 0 ? this.pairs.length : at, 0, [name, value]);
  }
  /** To a header of which there is one, behind a comma. */
  add(name, value) {
    name = name.toLowerCase();
    const pair = (name.startsWith(":") || SINGLE.has(name)) && this.pairs.find((pair) => pair[0] === name);
    if (pair) pair[1] += `,${value}`;
    else this.append(name, value);
  }
  set(name, value) {
    this.remove(name);
    this.append(name, value);
  }
  remove(name) {
    name = name.toLowerCase();
    this.pairs = this.pairs.filter((pair) => pair[0] !== name);
  }
  get size() {
    return this.pairs.length;
  }
  bytes() {
    return this.pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  }
  /** Count, lengths, then each name and value followed by a zero byte. */
  serialize() {
    const { pairs } = this;
    const bytes = Buffer.alloc(4 + pairs.length * 10 + this.bytes());
    let at = bytes.writeUInt32LE(pairs.length, 0);
    for (const [name, value] of pairs) at = bytes.writeUInt32LE(value.length, bytes.writeUInt32LE(name.length, at));
    for (const pair of pairs) for (const text of pair) at += bytes.write(text, at, "latin1") + 1;
    return bytes;
  }
  static deserialize(bytes) {
    const map = new HeaderMap();
    if (bytes.length < 4) return map;
    const count = bytes.readUInt32LE(0);
    if (count > 1024 || 4 + count * 8 > bytes.length) return map;
    let at = 4 + count * 8;
    const take = (length) => {
      const text = bytes.toString("latin1", at, at + length);
      if (text.length < length || at + length >= bytes.length) return undefined;
      at += length + 1;
      return text;
    };
    for (let nth = 0; nth < count; nth++) {
      const name = take(bytes.readUInt32LE(4 + nth * 8));
      const value = name === undefined ? undefined : take(bytes.readUInt32LE(8 + nth * 8));
      if (value === undefined) return new HeaderMap();
      map.append(name, value);
    }
    return map;
  }
}

/** A request or a response: what arrived, what the filter holds, what it let pass. */
class Half {
  constructor({ headers, body = [], trailers } = {}) {
    this.headers = new HeaderMap(headers);
    this.trailers = new HeaderMap(trailers ?? []);
    this.hasTrailers = trailers != null;
    this.waiting = body.map((chunk) => Buffer.from(chunk, "latin1"));
    this.seen = this.waiting.reduce((sum, chunk) => sum + chunk.length, 0);
    this.stage = headers ? "headers" : "empty";
    this.buffer = Buffer.alloc(0);
    this.apart = this.passed = Buffer.alloc(0);
    this.buffering = false;
    this.stopped = this.holding = this.logged = false;
    this.liveHeaders = this.liveBody = this.liveTrailers = false;
  }
  get readableHeaders() {
    return this.liveHeaders || this.logged ? this.headers : undefined;
  }
  get readableTrailers() {
    return this.liveTrailers || (this.logged && this.hasTrailers) ? this.trailers : undefined;
  }
  get began() {
    return this.stage !== "empty";
  }
  get done() {
    return this.stage === "done" && !this.holding && !this.stopped;
  }
  release() {
    this.liveHeaders = this.liveBody = this.liveTrailers = false;
  }
  flush() {
    const before = [this.passed, this.apart].filter((bytes) => bytes.length > 0);
    this.passed = before.length > 0 ? Buffer.concat([...before, this.buffer]) : this.buffer;
    this.apart = this.buffer = Buffer.alloc(0);
    this.buffering = false;
  }
  resume() {
    this.stopped = this.holding = false;
    this.release();
    this.flush();
  }
  /** The next part to offer; nothing where there is none now. */
  next() {
    if (this.stopped) return undefined;
    const last = () => !this.hasTrailers && this.waiting.length === 0;
    if (this.stage === "headers") {
      this.stage = "body";
      this.liveHeaders = true;
      return { part: "headers", size: this.headers.size, end: last() };
    }
    if (this.stage === "body" && this.waiting.length > 0) {
      const chunk = this.waiting.shift();
      this.buffer = this.buffer.length ? Buffer.concat([this.buffer, chunk]) : chunk;
      this.liveBody = true;
      return { part: "body", size: this.buffer.length, end: last() };
    }
    if (this.stage === "body") this.stage = this.hasTrailers ? "trailers" : "done";
    if (this.stage === "trailers") {
      this.stage = "done";
      this.liveTrailers = true;
      return { part: "trailers", size: this.trailers.size };
    }
    return undefined;
  }
  /** Takes a callback's word: the part passes, or is held, whatever it says where the filter has replied. */
  settle(part, action, replied) {
    const pass = !replied && (action === 0 || (part === "headers" && action === 2));
    if (part === "headers") {
      this.stopped = !pass;
      this.liveHeaders = !pass;
      return;
    }
    this.holding = !pass;
    if (part === "body") {
      this.liveBody = !pass;
      if (!pass && !replied) this.hold(action);
    } else this.liveTrailers = !pass;
    if (pass) this.flush();
  }
  /** Held by 1, the body is seen whole; by 2, out of the filter's reach; by more, the piece is dropped unless it was added to one that is held. */
  hold(action) {
    const buffered = this.buffering;
    this.buffering = action === 1;
    if (action > 2 && !buffered) this.buffer = Buffer.alloc(0);
    this.apart = Buffer.concat([this.apart, this.buffer]);
    this.buffer = Buffer.alloc(0);
    if (action === 1) [this.apart, this.buffer] = [this.buffer, this.apart];
  }
  message() {
    return { headers: this.headers.pairs, body: this.passed.toString("latin1"), trailers: this.trailers.pairs };
  }
}

/** A filter's own answer, as a gateway completes it. */
const replyHeaders = ({ status, headers, body }) => {
  const complete = new HeaderMap([[":status", String(status)], ...headers.pairs]);
  // Nothing is said of a body that there is not.
  if (body.length === 0) for (const name of ["content-length", "content-type"]) complete.remove(name);
  if (body.length > 0) {
    complete.set("content-length", String(body.length));
    if (complete.get("content-type") === undefined) complete.append("content-type", "text/plain");
  }
  return complete;
};
