// The sample filter in C++. ../README.md says what it does.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "host.h"

namespace {

// A stream, from its headers to its log.
struct Stream {
  std::string path;
};

std::map<uint32_t, std::unique_ptr<Stream>> streams;
std::unordered_map<uint32_t, uint32_t> waiting;
std::string greeting;
uint32_t requests, open_streams, sizes;
int ticks;
// Made before any callback, by a static constructor.
std::vector<std::string> words = {"started", "early", "enough"};

std::string joined(const std::vector<std::string> &parts) {
  std::string text;
  for (const auto &part : parts) text += (text.empty() ? "" : " ") + part;
  return text;
}

// Counts a visit in the shared data, by compare-and-swap.
int count(std::string_view key) {
  for (;;) {
    uint32_t cas = 0;
    const int visits = std::atoi(host::shared(key, &cas).c_str()) + 1;
    if (host::set_shared(key, std::to_string(visits), cas) == kOk) return visits;
  }
}

const char *said(bool truth) { return truth ? "true" : "false"; }

// What the language's own library makes of the host: its clock, randomness, memory and sorting.
std::string library() {
  const std::time_t now = std::time(nullptr);
  uint64_t first = 0, second = 0;
  random_get(&first, sizeof first);
  random_get(&second, sizeof second);
  std::vector<std::vector<char>> blocks;
  for (int i = 0; i < 64; i++) blocks.emplace_back(64 << 10, static_cast<char>(i));
  std::vector<std::string> names = {"c", "a", "b"};
  std::sort(names.begin(), names.end());
  std::FILE *file = std::fopen("/etc/passwd", "r");
  return std::string("after 2020 ") + said(now > 1577836800) + ", random " + said(first != second) + ", memory " +
         std::to_string(blocks.size() * blocks[0].size()) + ", sorted " + names[0] + names[1] + names[2] + ", home " +
         said(std::getenv("HOME") != nullptr) + ", files " + said(file != nullptr);
}

}  // namespace

CALLBACK(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}

CALLBACK(proxy_on_context_create) void proxy_on_context_create(uint32_t context, uint32_t root) {
  if (root != 0) streams[context] = std::make_unique<Stream>();
}

CALLBACK(proxy_on_vm_start) uint32_t proxy_on_vm_start(uint32_t, uint32_t size) {
  host::log(kInfo, joined(words) + " with `" + host::buffer(kVmConfiguration, size) + "`");
  proxy_set_tick_period_milliseconds(20);
  return 1;
}

CALLBACK(proxy_on_configure) uint32_t proxy_on_configure(uint32_t, uint32_t size) {
  greeting = host::buffer(kPluginConfiguration, size);
  host::log(kInfo, "configured with `" + greeting + "`");
  if (greeting == "refuse") return 0;
  requests = host::metric(kCounter, "sample.requests");
  open_streams = host::metric(kGauge, "sample.open");
  sizes = host::metric(kHistogram, "sample.sizes");
  return 1;
}

CALLBACK(proxy_on_tick) void proxy_on_tick(uint32_t) { ticks++; }

CALLBACK(proxy_on_request_headers) uint32_t proxy_on_request_headers(uint32_t context, uint32_t, uint32_t) {
  proxy_increment_metric(open_streams, 1);
  const std::string path = host::header(kRequestHeaders, ":path").value_or("");
  streams[context]->path = path;
  if (path == "/local") {
    host::reply(418, "short and stout", {{"x-reply", "yes"}, {"content-type", "text/x-pot"}});
    return kPause;
  }
  if (path == "/call" || path == "/call/404") {
    uint32_t token = 0;
    const uint32_t status = host::call("helper", "/helper" + path.substr(5), &token);
    if (status != kOk) host::reply(500, "the call was refused with " + std::to_string(status));
    waiting[token] = context;
    return kPause;
  }
  if (path == "/call-nobody") {
    uint32_t token = 0;
    host::reply(500, "the call was refused with " + std::to_string(host::call("nobody", "/", &token)));
    return kPause;
  }
  if (path == "/shared") {
    host::reply(200, "seen " + std::to_string(count("visits")) + " times");
    return kPause;
  }
  if (path == "/ticks") {
    host::reply(200, std::string("ticked ") + said(ticks > 0));
    return kPause;
  }
  if (path == "/properties") {
    host::reply(200, host::property({"request\0method", 14}) + ", " + host::property("plugin_name") + ", " +
                         host::property({"no\0such", 7}));
    return kPause;
  }
  if (path == "/log") {
    for (uint32_t level = 0; level <= kCritical; level++) host::log(level, "level " + std::to_string(level));
  }
  if (path == "/output") {
    std::puts("to the standard output");
    std::fflush(stdout);
    std::fputs("to the standard error\n", stderr);
  }
  if (path == "/library") {
    host::reply(200, library());
    return kPause;
  }
  if (path == "/panic") std::abort();
  if (path == "/body") host::remove_header(kRequestHeaders, "content-length");
  host::add_header(kRequestHeaders, "x-greeting", greeting);
  host::replace_header(kRequestHeaders, "x-replaced", "by the filter");
  host::remove_header(kRequestHeaders, "x-removed");
  if (const auto absent = host::header(kRequestHeaders, "x-absent")) {
    host::add_header(kRequestHeaders, "x-found", *absent);
  }
  return kContinue;
}

CALLBACK(proxy_on_request_body) uint32_t proxy_on_request_body(uint32_t context, uint32_t size, uint32_t end) {
  if (streams[context]->path != "/body") return kContinue;
  if (end == 0) return kPause;
  proxy_record_metric(sizes, size);
  host::set_buffer(kRequestBody, size, "[" + host::buffer(kRequestBody, size) + "]");
  return kContinue;
}

CALLBACK(proxy_on_response_headers) uint32_t proxy_on_response_headers(uint32_t context, uint32_t, uint32_t) {
  host::add_header(kResponseHeaders, "x-seen", streams[context]->path);
  if (streams[context]->path == "/body") host::remove_header(kResponseHeaders, "content-length");
  return kContinue;
}

CALLBACK(proxy_on_response_body) uint32_t proxy_on_response_body(uint32_t context, uint32_t size, uint32_t end) {
  if (streams[context]->path == "/body" && end != 0) {
    host::set_buffer(kResponseBody, size, host::buffer(kResponseBody, size) + "!");
  }
  return kContinue;
}

CALLBACK(proxy_on_http_call_response)
void proxy_on_http_call_response(uint32_t, uint32_t token, uint32_t, uint32_t size, uint32_t) {
  const auto found = waiting.find(token);
  if (found == waiting.end()) return;
  const uint32_t context = found->second;
  waiting.erase(found);
  const std::string status = host::header(kAnswerHeaders, ":status").value_or("");
  const std::string body = host::buffer(kAnswerBody, size);
  proxy_set_effective_context(context);
  if (status == "200") {
    host::add_header(kRequestHeaders, "x-helper", body);
    proxy_continue_stream(0);
  } else {
    host::reply(502, "the helper said " + status);
  }
}

CALLBACK(proxy_on_log) void proxy_on_log(uint32_t context) {
  proxy_increment_metric(requests, 1);
  proxy_increment_metric(open_streams, -1);
  const std::string status = host::header(kResponseHeaders, ":status").value_or("");
  host::log(kInfo, "`" + streams[context]->path + "` ended with " + status);
}

CALLBACK(proxy_on_done) uint32_t proxy_on_done(uint32_t) { return 1; }

CALLBACK(proxy_on_delete) void proxy_on_delete(uint32_t context) { streams.erase(context); }
