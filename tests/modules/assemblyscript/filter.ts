// The sample filter in AssemblyScript. ../README.md says what it does.
import {
  ANSWER_BODY, ANSWER_HEADERS, CONTINUE, COUNTER, CRITICAL, GAUGE, HISTOGRAM, INFO, OK, PAUSE, PLUGIN_CONFIGURATION,
  REQUEST_BODY, REQUEST_HEADERS, RESPONSE_BODY, RESPONSE_HEADERS, VM_CONFIGURATION, addHeader, buffer, call, cas,
  header, log, metric, property, proxy_continue_stream, proxy_increment_metric, proxy_record_metric,
  proxy_set_effective_context, proxy_set_tick_period_milliseconds, removeHeader, replaceHeader, reply, setBuffer,
  setShared, shared, token,
} from "./abi";

export { allocate as proxy_on_memory_allocate } from "./abi";

// A stream, from its headers to its log.
class Stream {
  path: string = "";
}

const streams = new Map<u32, Stream>();
const waiting = new Map<u32, u32>();
let greeting = "";
let requests: u32 = 0;
let open: u32 = 0;
let sizes: u32 = 0;
let ticks = 0;
// Made before any callback, by the start function.
const words = "started early".split(" ");
words.push("enough");

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_context_create(context: u32, root: u32): void {
  if (root != 0) streams.set(context, new Stream());
}

export function proxy_on_vm_start(root: u32, size: u32): u32 {
  log(INFO, `${words.join(" ")} with \`${buffer(VM_CONFIGURATION, size)}\``);
  proxy_set_tick_period_milliseconds(20);
  return 1;
}

export function proxy_on_configure(root: u32, size: u32): u32 {
  greeting = buffer(PLUGIN_CONFIGURATION, size);
  log(INFO, `configured with \`${greeting}\``);
  if (greeting == "refuse") return 0;
  requests = metric(COUNTER, "sample.requests");
  open = metric(GAUGE, "sample.open");
  sizes = metric(HISTOGRAM, "sample.sizes");
  return 1;
}

export function proxy_on_tick(root: u32): void {
  ticks++;
}

export function proxy_on_request_headers(context: u32, count: u32, end: u32): u32 {
  proxy_increment_metric(open, 1);
  const found = header(REQUEST_HEADERS, ":path");
  const path = found == null ? "" : found;
  streams.get(context).path = path;
  if (path == "/local") {
    reply(418, "short and stout", ["x-reply", "yes", "content-type", "text/x-pot"]);
    return PAUSE;
  }
  if (path == "/call" || path == "/call/404") {
    const status = call("helper", path.replace("/call", "/helper"));
    if (status != OK) reply(500, `the call was refused with ${status}`);
    waiting.set(token(), context);
    return PAUSE;
  }
  if (path == "/call-nobody") {
    reply(500, `the call was refused with ${call("nobody", "/")}`);
    return PAUSE;
  }
  if (path == "/shared") {
    reply(200, `seen ${visit("visits")} times`);
    return PAUSE;
  }
  if (path == "/ticks") {
    reply(200, `ticked ${ticks > 0}`);
    return PAUSE;
  }
  if (path == "/properties") {
    reply(200, `${property("request\0method")}, ${property("plugin_name")}, ${property("no\0such")}`);
    return PAUSE;
  }
  if (path == "/log") {
    for (let level: u32 = 0; level <= CRITICAL; level++) log(level, `level ${level}`);
  }
  if (path == "/output") {
    console.log("to the standard output");
    console.error("to the standard error");
  }
  if (path == "/library") {
    reply(200, library());
    return PAUSE;
  }
  if (path == "/panic") throw new Error("asked for");
  if (path == "/body") removeHeader(REQUEST_HEADERS, "content-length");
  addHeader(REQUEST_HEADERS, "x-greeting", greeting);
  replaceHeader(REQUEST_HEADERS, "x-replaced", "by the filter");
  removeHeader(REQUEST_HEADERS, "x-removed");
  const absent = header(REQUEST_HEADERS, "x-absent");
  if (absent != null) addHeader(REQUEST_HEADERS, "x-found", absent);
  return CONTINUE;
}

export function proxy_on_request_body(context: u32, size: u32, end: u32): u32 {
  if (streams.get(context).path != "/body") return CONTINUE;
  if (end == 0) return PAUSE;
  proxy_record_metric(sizes, size);
  setBuffer(REQUEST_BODY, size, `[${buffer(REQUEST_BODY, size)}]`);
  return CONTINUE;
}

export function proxy_on_response_headers(context: u32, count: u32, end: u32): u32 {
  const path = streams.get(context).path;
  addHeader(RESPONSE_HEADERS, "x-seen", path);
  if (path == "/body") removeHeader(RESPONSE_HEADERS, "content-length");
  return CONTINUE;
}

export function proxy_on_response_body(context: u32, size: u32, end: u32): u32 {
  if (streams.get(context).path == "/body" && end != 0) {
    setBuffer(RESPONSE_BODY, size, buffer(RESPONSE_BODY, size) + "!");
  }
  return CONTINUE;
}

export function proxy_on_http_call_response(
  root: u32, token: u32, headers: u32, size: u32, trailers: u32): void {
  if (!waiting.has(token)) return;
  const context = waiting.get(token);
  waiting.delete(token);
  const status = header(ANSWER_HEADERS, ":status");
  const body = buffer(ANSWER_BODY, size);
  proxy_set_effective_context(context);
  if (status != null && status == "200") {
    addHeader(REQUEST_HEADERS, "x-helper", body);
    proxy_continue_stream(0);
  } else {
    reply(502, `the helper said ${status == null ? "" : status}`);
  }
}

export function proxy_on_log(context: u32): void {
  proxy_increment_metric(requests, 1);
  proxy_increment_metric(open, -1);
  const status = header(RESPONSE_HEADERS, ":status");
  log(INFO, `\`${streams.get(context).path}\` ended with ${status == null ? "" : status}`);
}

export function proxy_on_done(context: u32): u32 {
  return 1;
}

export function proxy_on_delete(context: u32): void {
  streams.delete(context);
}

// Counts a visit in the shared data, by compare-and-swap.
function visit(key: string): i32 {
  let visits = 0;
  do {
    const value = shared(key);
    visits = (value == "" ? 0 : I32.parseInt(value)) + 1;
  } while (setShared(key, visits.toString(), cas()) != OK);
  return visits;
}

// What the language's own library makes of the host: its clock, randomness, memory and sorting. It has no files.
function library(): string {
  const year = new Date(Date.now()).getUTCFullYear();
  const random = Math.random() != Math.random();
  const blocks: Uint8Array[] = [];
  for (let i = 0; i < 64; i++) blocks.push(new Uint8Array(64 << 10));
  const names = ["c", "a", "b"].sort();
  const home = process.env.has("HOME");
  return `after 2020 ${year > 2020}, random ${random}, memory ${blocks.length * blocks[0].length}, ` +
    `sorted ${names.join("")}, home ${home}, files false`;
}
