// The host functions, by the names that modules import them under.

const map = (host, kind) => {
  const { stream, answer } = host;
  switch (kind) {
    case 0:
      return stream?.request.readableHeaders;
    case 1:
      return stream?.request.readableTrailers;
    case 2:
      return stream?.response.readableHeaders;
    case 3:
      return stream?.response.readableTrailers;
    case 6:
      return answer?.headers;
    case 7:
      return answer?.trailers;
    default:
      return undefined;
  }
};
const writable = (host, kind) => {
  const half = kind < 2 ? host.stream?.request : kind < 4 ? host.stream?.response : undefined;
  if (!half) return undefined;
  if (kind % 2 === 0) return half.liveHeaders ? half.headers : undefined;
  return half.liveTrailers ? half.trailers : undefined;
};
/** The name that a map knows a header by: a request's host is its authority. */
const knownAs = (kind, name) => (kind === 0 && name.toLowerCase() === "host" ? ":authority" : name);
const buffer = (host, kind) => {
  const { stream } = host;
  switch (kind) {
    case 0:
      return stream?.request.liveBody ? stream.request.buffer : undefined;
    case 1:
      return stream?.response.liveBody ? stream.response.buffer : undefined;
    case 4:
      return host.answer?.body;
    case 6:
      return host.vmConfig;
    case 7:
      return host.configuring ? host.config : undefined;
    default:
      return undefined;
  }
};
const joined = (headers, name) => {
  const values = headers?.all(name) ?? [];
  return values.length > 0 ? values.join(",") : undefined;
};
const ofRequest = (host, { request, logging }, part, name) => {
  const headers = request.readableHeaders;
  if (name !== undefined) return part === "headers" ? joined(headers, name) : undefined;
  const path = headers?.get(":path");
  const declared = Number.parseInt(headers?.get("content-length") ?? "", 10);
  const of = {
    path: () => path,
    url_path: () => path?.split("?")[0],
    query: () => (path === undefined ? undefined : path.split("?").slice(1).join("?")),
    host: () => headers?.get(":authority"),
    scheme: () => headers?.get(":scheme"),
    method: () => headers?.get(":method"),
    referer: () => headers?.get("referer"),
    useragent: () => headers?.get("user-agent"),
    id: () => headers?.get("x-request-id"),
    protocol: () => "HTTP/1.1",
    time: () => eightBytes(host.now),
    duration: () => (logging ? eightBytes(0) : undefined),
    size: () => eightBytes(Number.isNaN(declared) ? request.seen : declared),
    total_size: () => eightBytes((headers?.bytes() ?? 0) + request.seen),
  };
  return of[part]?.();
};
const ofResponse = ({ response, reply }, part, name) => {
  const headers = response.readableHeaders;
  if (name !== undefined) return part === "headers" ? joined(headers, name) : undefined;
  const code = headers?.get(":status");
  const of = {
    code: () => (code === undefined ? undefined : eightBytes(code)),
    size: () => eightBytes(response.seen),
    total_size: () => eightBytes((headers?.bytes() ?? 0) + response.seen),
    code_details: () => reply?.details ?? (response.began ? "via_upstream" : undefined),
  };
  return of[part]?.();
};
const property = (host, path) => {
  const { stream, world } = host;
  const given = stream?.properties[path] ?? world.properties[path];
  if (given !== undefined) return given;
  const [first, second, ...rest] = path.split("\0");
  const third = rest.length > 0 ? rest.join("\0") : undefined;
  if (second === undefined && first in world.names) return world.names[first];
  if (!stream) return undefined;
  if (first === "request" && second !== undefined) return ofRequest(host, stream, second, third);
  if (first === "response" && second !== undefined) return ofResponse(stream, second, third);
  const others = {
    "connection\0mtls": "\0",
    "connection\0id": eightBytes(stream.id),
    connection_id: eightBytes(stream.id),
    "source\0address": "127.0.0.1:40000",
    "source\0port": eightBytes(40000),
    "destination\0address": "127.0.0.1:10000",
    "destination\0port": eightBytes(10000),
  };
  if (path in others) return others[path];
  return !RESERVED.has(first) && second === undefined ? stream.set.get(first) : undefined;
};

const functions = {
  proxy_log(level, data, size) {
    if (level >>> 0 > 5) return BAD_ARGUMENT;
    if (level >= INFO) this.logs.push([level, this.text(data, size)]);
    return OK;
  },
  proxy_get_log_level(at) {
    this.u32(at, INFO);
    return OK;
  },
  proxy_get_status(codeAt, dataAt, sizeAt) {
    this.u32(codeAt, 0);
    return this.give("", dataAt, sizeAt);
  },
  proxy_get_current_time_nanoseconds(at) {
    this.memory.writeBigUInt64LE(this.now, at >>> 0);
    return OK;
  },
  proxy_set_tick_period_milliseconds: () => OK,
  proxy_set_effective_context(context) {
    if (context !== ROOT && !this.streams.has(context)) return BAD_ARGUMENT;
    this.effective = context;
    return OK;
  },
  proxy_done: () => NOT_FOUND,
  proxy_continue_stream(kind) {
    if (kind > 1) return BAD_ARGUMENT;
    const { stream } = this;
    if (stream) {
      stream.actions[kind === 0 ? "request" : "response"] = true;
      stream.request.release();
      this.touched.add(stream.id);
    }
    return OK;
  },
  // Of 0.1.0.
  proxy_continue_request() {
    return this.proxy_continue_stream(0);
  },
  proxy_continue_response() {
    return this.proxy_continue_stream(1);
  },
  proxy_clear_route_cache: () => OK,
  proxy_get_configuration(dataAt, sizeAt) {
    return this.give(this.configuring ? this.config : this.vmConfig, dataAt, sizeAt);
  },
  proxy_close_stream(kind) {
    if (kind > 3) return BAD_ARGUMENT;
    const { stream } = this;
    if (stream && kind <= 1) {
      stream.actions.close = true;
      this.touched.add(stream.id);
    }
    return OK;
  },
  proxy_send_local_response(status, details, detailsSize, body, bodySize, headers, headersSize) {
    const { stream } = this;
    if (stream) {
      stream.actions.reply ??= {
        status,
        details: this.text(details, detailsSize),
        body: this.text(body, bodySize),
        headers: HeaderMap.deserialize(this.slice(headers, headersSize)),
      };
      this.touched.add(stream.id);
    }
    return OK;
  },
  proxy_get_buffer_bytes(kind, start, length, dataAt, sizeAt) {
    if (kind > 8) return BAD_ARGUMENT;
    const bytes = buffer(this, kind);
    if (!bytes) return NOT_FOUND;
    start >>>= 0;
    if (start > bytes.length) return BAD_ARGUMENT;
    const part = bytes.subarray(start, start + (length >>> 0));
    return part.length === 0 ? OK : this.give(part, dataAt, sizeAt);
  },
  proxy_get_buffer_status(kind, lengthAt, flagsAt) {
    const bytes = buffer(this, kind);
    if (!bytes) return kind > 8 ? BAD_ARGUMENT : NOT_FOUND;
    this.u32(lengthAt, bytes.length);
    this.u32(flagsAt, 0);
    return OK;
  },
  proxy_set_buffer_bytes(kind, start, length, data, size) {
    const bytes = buffer(this, kind);
    if (!bytes) return kind > 8 ? BAD_ARGUMENT : NOT_FOUND;
    if (kind > 1) return BAD_ARGUMENT;
    const half = kind === 0 ? this.stream.request : this.stream.response;
    const more = this.slice(data, size);
    [start, length] = [start >>> 0, length >>> 0];
    if (start === 0 && length === 0) half.buffer = Buffer.concat([more, bytes]);
    else if (start === 0 && length >= bytes.length) half.buffer = more;
    else if (start !== 0 && start >= bytes.length) half.buffer = Buffer.concat([bytes, more]);
    else return BAD_ARGUMENT;
    return OK;
  },
  proxy_get_header_map_value(kind, key, keySize, dataAt, sizeAt) {
    const headers = map(this, kind);
    if (!headers) return BAD_ARGUMENT;
    const value = headers.get(knownAs(kind, this.text(key, keySize)));
    // The first version could not tell a missing header from an empty one.
    if (value === undefined && !this.exports.proxy_abi_version_0_1_0) return NOT_FOUND;
    return this.give(value ?? "", dataAt, sizeAt);
  },
  proxy_add_header_map_value(kind, key, keySize, value, valueSize) {
    const headers = writable(this, kind);
    headers?.add(knownAs(kind, this.text(key, keySize)), this.text(value, valueSize));
    return headers ? OK : BAD_ARGUMENT;
  },
  proxy_replace_header_map_value(kind, key, keySize, value, valueSize) {
    const headers = writable(this, kind);
    headers?.set(knownAs(kind, this.text(key, keySize)), this.text(value, valueSize));
    return headers ? OK : BAD_ARGUMENT;
  },
  proxy_remove_header_map_value(kind, key, keySize) {
    const headers = writable(this, kind);
    headers?.remove(knownAs(kind, this.text(key, keySize)));
    return headers ? OK : BAD_ARGUMENT;
  },
  proxy_get_header_map_pairs(kind, dataAt, sizeAt) {
    if (kind > 7) return BAD_ARGUMENT;
    const headers = map(this, kind);
    return this.give(headers && headers.size > 0 ? headers.serialize() : "", dataAt, sizeAt);
  },
  proxy_set_header_map_pairs(kind, data, size) {
    const headers = writable(this, kind);
    if (headers) headers.pairs = HeaderMap.deserialize(this.slice(data, size)).pairs;
    return headers ? OK : BAD_ARGUMENT;
  },
  proxy_get_header_map_size(kind, at) {
    const headers = writable(this, kind);
    if (headers) this.u32(at, headers.bytes());
    return headers ? OK : BAD_ARGUMENT;
  },
  proxy_get_property(path, pathSize, dataAt, sizeAt) {
    const value = property(this, this.text(path, pathSize).replace(/\0$/, ""));
    return value === undefined ? NOT_FOUND : this.give(value, dataAt, sizeAt);
  },
  proxy_set_property(path, pathSize, value, valueSize) {
    this.stream?.set.set(this.text(path, pathSize), this.text(value, valueSize));
    return this.stream ? OK : NOT_FOUND;
  },
  proxy_http_call(cluster, clusterSize, headers, headersSize, body, bodySize, trailers, trailersSize, timeout, tokenAt) {
    this.u32(tokenAt, 0);
    const name = this.text(cluster, clusterSize);
    if (!(name in this.asked)) return BAD_ARGUMENT;
    const sent = HeaderMap.deserialize(this.slice(headers, headersSize));
    if ([":method", ":path", ":authority"].some((pseudo) => sent.get(pseudo) === undefined)) return BAD_ARGUMENT;
    const token = ++this.tokens;
    this.calls.push({ token, cluster: name, path: sent.get(":path"), body: this.text(body, bodySize) });
    this.u32(tokenAt, token);
    return OK;
  },
  proxy_get_shared_data(key, keySize, dataAt, sizeAt, casAt) {
    const entry = this.shared.get(this.text(key, keySize));
    if (!entry) return NOT_FOUND;
    const given = this.give(entry.value, dataAt, sizeAt);
    if (given === OK) this.u32(casAt, entry.cas);
    return given;
  },
  proxy_set_shared_data(key, keySize, value, valueSize, cas) {
    const name = this.text(key, keySize);
    const entry = this.shared.get(name);
    if (entry && cas !== 0 && cas >>> 0 !== entry.cas) return CAS_MISMATCH;
    this.shared.set(name, { value: this.text(value, valueSize), cas: ++this.cas });
    return OK;
  },
  // Queues: tokens count from 1; whoever registers one is this VM.
  proxy_register_shared_queue(name, size, at) {
    const text = this.text(name, size);
    let token = this.queues.findIndex((queue) => queue.name === text) + 1;
    if (token === 0) token = this.queues.push({ name: text, items: [] });
    this.u32(at, token);
    return OK;
  },
  proxy_resolve_shared_queue(vm, vmSize, name, size, at) {
    const [id, text] = [this.text(vm, vmSize), this.text(name, size)];
    const token = this.queues.findIndex((queue) => queue.name === text) + 1;
    if (token === 0 || (id !== "" && id !== this.world.names.plugin_vm_id)) return NOT_FOUND;
    this.u32(at, token);
    return OK;
  },
  proxy_enqueue_shared_queue(token, value, size) {
    const queue = this.queues[token - 1];
    if (!queue) return NOT_FOUND;
    queue.items.push(this.text(value, size));
    this.ready.push(token);
    return OK;
  },
  proxy_dequeue_shared_queue(token, dataAt, sizeAt) {
    const queue = this.queues[token - 1];
    if (!queue) return NOT_FOUND;
    return queue.items.length > 0 ? this.give(queue.items.shift(), dataAt, sizeAt) : EMPTY;
  },
  /** Each definition has an id of its own; those of one name share their value. */
  proxy_define_metric(kind, name, nameSize, at) {
    if (kind > 2) return BAD_ARGUMENT;
    const id = ++this.kinds[kind] * 4 + kind;
    const key = `${kind} ${this.text(name, nameSize)}`;
    if (!this.cells.has(key)) this.cells.set(key, { value: 0n });
    this.metrics.set(id, this.cells.get(key));
    this.u32(at, id);
    return OK;
  },
  proxy_increment_metric(id, offset) {
    if (id % 4 > 1) return BAD_ARGUMENT;
    const cell = this.metrics.get(id);
    if (!cell) return NOT_FOUND;
    if (id % 4 === 0 && offset <= 0n) return BAD_ARGUMENT;
    cell.value = (cell.value + offset) & MASK;
    return OK;
  },
  proxy_record_metric(id, value) {
    const cell = this.metrics.get(id);
    if (!cell) return NOT_FOUND;
    cell.value = BigInt.asUintN(64, id % 4 === 0 ? cell.value + value : value);
    return OK;
  },
  proxy_get_metric(id, at) {
    if (id % 4 > 1) return BAD_ARGUMENT;
    const cell = this.metrics.get(id);
    if (!cell) return NOT_FOUND;
    this.memory.writeBigUInt64LE(cell.value, at >>> 0);
    return OK;
  },
  proxy_call_foreign_function: () => NOT_FOUND,
  fd_write(fd, vectors, count, writtenAt) {
    if (fd !== 1 && fd !== 2) return 8;
    let [text, written] = ["", 0];
    for (let nth = 0; nth < count; nth++) {
      const size = this.memory.readUInt32LE((vectors >>> 0) + nth * 8 + 4);
      text += this.text(this.memory.readUInt32LE((vectors >>> 0) + nth * 8), size);
      written += size;
    }
    if (text !== "") this.logs.push([fd === 1 ? INFO : 4, text.replace(/\n$/, "")]);
    this.u32(writtenAt, written);
    return 0;
  },
  fd_close: () => 0,
  fd_seek: () => 0,
  fd_fdstat_get(fd, at) {
    if (fd !== 1 && fd !== 2) return 8;
    this.memory.fill(0, at >>> 0, (at >>> 0) + 24);
    this.memory[(at >>> 0) + 8] = 64;
    return 0;
  },
  fd_prestat_get: () => 8,
  fd_prestat_dir_name: () => 52,
  fd_read: () => 52,
  fd_fdstat_set_flags: () => 52,
  path_open: () => 44,
  path_filestat_get: () => 52,
  poll_oneoff: () => 52,
  sched_yield: () => 0,
  environ_get: () => 0,
  environ_sizes_get(countAt, sizeAt) {
    this.u32(countAt, 0);
    this.u32(sizeAt, 0);
    return 0;
  },
  args_get: () => 0,
  args_sizes_get(countAt, sizeAt) {
    this.u32(countAt, 0);
    this.u32(sizeAt, 0);
    return 0;
  },
  clock_time_get(clock, precision, at) {
    if (clock > 1) return 58;
    this.memory.writeBigUInt64LE(this.now, at >>> 0);
    return 0;
  },
  /** SplitMix64, so that guests draw what they draw in the simulator. */
  random_get(at, length) {
    if (length >>> 0 > 65536) return 28;
    const bytes = Buffer.alloc(Math.ceil(length / 8) * 8);
    for (let chunk = 0; chunk < length; chunk += 8) {
      this.state = (this.state + 0x9e3779b97f4a7c15n) & MASK;
      let z = this.state;
      z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
      z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
      bytes.writeBigUInt64LE(z ^ (z >> 31n), chunk);
    }
    bytes.copy(this.memory, at >>> 0, 0, length);
    return 0;
  },
  proc_exit(code) {
    throw new Error(`\`proc_exit\` called with ${code}`);
  },
};
// gRPC is no part of what a request's decision depends on here.
for (const name of ["call", "stream", "send", "cancel", "close"]) functions[`proxy_grpc_${name}`] = () => UNIMPLEMENTED;
Object.assign(Host.prototype, functions);
