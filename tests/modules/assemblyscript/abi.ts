// The host functions that the filter calls, as the specification of ABI 0.2.1 has them.

@external("env", "proxy_log")
declare function proxy_log(level: u32, text: usize, size: u32): u32;
@external("env", "proxy_get_buffer_bytes")
declare function proxy_get_buffer_bytes(kind: u32, start: u32, length: u32, data: usize, size: usize): u32;
@external("env", "proxy_set_buffer_bytes")
declare function proxy_set_buffer_bytes(kind: u32, start: u32, length: u32, data: usize, size: u32): u32;
@external("env", "proxy_get_header_map_value")
declare function proxy_get_header_map_value(kind: u32, key: usize, key_size: u32, data: usize, size: usize): u32;
@external("env", "proxy_add_header_map_value")
declare function proxy_add_header_map_value(kind: u32, key: usize, key_size: u32, value: usize, value_size: u32): u32;
@external("env", "proxy_replace_header_map_value")
declare function proxy_replace_header_map_value(
  kind: u32, key: usize, key_size: u32, value: usize, value_size: u32): u32;
@external("env", "proxy_remove_header_map_value")
declare function proxy_remove_header_map_value(kind: u32, key: usize, key_size: u32): u32;
@external("env", "proxy_get_property")
declare function proxy_get_property(path: usize, path_size: u32, data: usize, size: usize): u32;
@external("env", "proxy_send_local_response")
declare function proxy_send_local_response(
  status: u32, details: usize, details_size: u32, body: usize, body_size: u32, headers: usize, headers_size: u32,
  grpc_status: i32): u32;
@external("env", "proxy_continue_stream")
export declare function proxy_continue_stream(kind: u32): u32;
@external("env", "proxy_http_call")
declare function proxy_http_call(
  cluster: usize, cluster_size: u32, headers: usize, headers_size: u32, body: usize, body_size: u32, trailers: usize,
  trailers_size: u32, timeout: u32, token: usize): u32;
@external("env", "proxy_set_effective_context")
export declare function proxy_set_effective_context(context: u32): u32;
@external("env", "proxy_set_tick_period_milliseconds")
export declare function proxy_set_tick_period_milliseconds(period: u32): u32;
@external("env", "proxy_get_shared_data")
declare function proxy_get_shared_data(key: usize, key_size: u32, data: usize, size: usize, cas: usize): u32;
@external("env", "proxy_set_shared_data")
declare function proxy_set_shared_data(key: usize, key_size: u32, data: usize, size: u32, cas: u32): u32;
@external("env", "proxy_define_metric")
declare function proxy_define_metric(kind: u32, name: usize, name_size: u32, id: usize): u32;
@external("env", "proxy_increment_metric")
export declare function proxy_increment_metric(id: u32, offset: i64): u32;
@external("env", "proxy_record_metric")
export declare function proxy_record_metric(id: u32, value: u64): u32;

export const OK: u32 = 0;
export const CONTINUE: u32 = 0;
export const PAUSE: u32 = 1;
export const REQUEST_HEADERS: u32 = 0;
export const RESPONSE_HEADERS: u32 = 2;
export const ANSWER_HEADERS: u32 = 6;
export const REQUEST_BODY: u32 = 0;
export const RESPONSE_BODY: u32 = 1;
export const ANSWER_BODY: u32 = 4;
export const VM_CONFIGURATION: u32 = 6;
export const PLUGIN_CONFIGURATION: u32 = 7;
export const COUNTER: u32 = 0;
export const GAUGE: u32 = 1;
export const HISTOGRAM: u32 = 2;
export const INFO: u32 = 2;
export const CRITICAL: u32 = 5;

// Where the host writes pointer, length and number of what it gives.
const DATA = memory.data(4);
const SIZE = memory.data(4);
const NUMBER = memory.data(4);

/// Gives the host memory that the collector leaves alone until it is taken.
export function allocate(size: u32): usize {
  return __pin(__new(size, idof<ArrayBuffer>()));
}

function taken(): string {
  const data = load<u32>(DATA);
  if (data == 0) return "";
  const text = String.UTF8.decodeUnsafe(data, load<u32>(SIZE));
  __unpin(data);
  return text;
}

function clear(): void {
  store<u32>(DATA, 0);
  store<u32>(SIZE, 0);
  store<u32>(NUMBER, 0);
}

// Text as the host reads it.
class Bytes {
  buffer: ArrayBuffer;

  constructor(text: string) {
    this.buffer = String.UTF8.encode(text);
  }

  get at(): usize {
    return changetype<usize>(this.buffer);
  }

  get size(): u32 {
    return this.buffer.byteLength;
  }
}

export function log(level: u32, text: string): void {
  const bytes = new Bytes(text);
  proxy_log(level, bytes.at, bytes.size);
}

export function buffer(kind: u32, length: u32): string {
  clear();
  proxy_get_buffer_bytes(kind, 0, length, DATA, SIZE);
  return taken();
}

export function setBuffer(kind: u32, length: u32, text: string): void {
  const bytes = new Bytes(text);
  proxy_set_buffer_bytes(kind, 0, length, bytes.at, bytes.size);
}

/// A header's value, or null.
export function header(kind: u32, name: string): string | null {
  clear();
  const key = new Bytes(name);
  if (proxy_get_header_map_value(kind, key.at, key.size, DATA, SIZE) != OK) return null;
  return taken();
}

export function addHeader(kind: u32, name: string, value: string): void {
  const key = new Bytes(name), bytes = new Bytes(value);
  proxy_add_header_map_value(kind, key.at, key.size, bytes.at, bytes.size);
}

export function replaceHeader(kind: u32, name: string, value: string): void {
  const key = new Bytes(name), bytes = new Bytes(value);
  proxy_replace_header_map_value(kind, key.at, key.size, bytes.at, bytes.size);
}

export function removeHeader(kind: u32, name: string): void {
  const key = new Bytes(name);
  proxy_remove_header_map_value(kind, key.at, key.size);
}

export function property(path: string): string {
  clear();
  const bytes = new Bytes(path);
  proxy_get_property(bytes.at, bytes.size, DATA, SIZE);
  return taken();
}

// Pairs as the host reads them: names and values by turns.
function pairs(list: string[]): ArrayBuffer {
  let size = 4;
  for (let i = 0; i < list.length; i++) size += 4 + String.UTF8.byteLength(list[i], true);
  const out = new ArrayBuffer(size);
  const start = changetype<usize>(out);
  store<u32>(start, list.length / 2);
  let text = start + 4 + 4 * list.length;
  for (let i = 0; i < list.length; i++) {
    const written = String.UTF8.encodeUnsafe(changetype<usize>(list[i]), list[i].length, text, true);
    store<u32>(start + 4 + 4 * i, u32(written) - 1);
    text += written;
  }
  return out;
}

export function reply(status: u32, body: string, headers: string[] = []): void {
  const bytes = new Bytes(body), list = pairs(headers);
  proxy_send_local_response(
    status, 0, 0, bytes.at, bytes.size, changetype<usize>(list), list.byteLength, -1);
}

/// The status of the call and, by `token()`, its number.
export function call(cluster: string, path: string): u32 {
  clear();
  const name = new Bytes(cluster);
  const headers = pairs([":method", "GET", ":path", path, ":authority", "helper.example"]);
  return proxy_http_call(
    name.at, name.size, changetype<usize>(headers), headers.byteLength, 0, 0, 0, 0, 5000, NUMBER);
}

export function token(): u32 {
  return load<u32>(NUMBER);
}

/// A shared value, and, by `cas()`, the number to replace it by.
export function shared(key: string): string {
  clear();
  const bytes = new Bytes(key);
  proxy_get_shared_data(bytes.at, bytes.size, DATA, SIZE, NUMBER);
  return taken();
}

export function cas(): u32 {
  return load<u32>(NUMBER);
}

export function setShared(key: string, value: string, cas: u32): u32 {
  const name = new Bytes(key), bytes = new Bytes(value);
  return proxy_set_shared_data(name.at, name.size, bytes.at, bytes.size, cas);
}

export function metric(kind: u32, name: string): u32 {
  clear();
  const bytes = new Bytes(name);
  proxy_define_metric(kind, bytes.at, bytes.size, NUMBER);
  return load<u32>(NUMBER);
}
