// The host functions with strings of the standard library in the place of pointers and sizes.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "abi.h"

namespace host {

using Pair = std::pair<std::string_view, std::string_view>;

// What the host wrote into memory that it got from `malloc`.
inline std::string taken(char *data, size_t size) {
  std::string text(data, size);
  std::free(data);
  return text;
}

inline void log(uint32_t level, std::string_view text) { proxy_log(level, text.data(), text.size()); }

inline std::string buffer(uint32_t kind, uint32_t length) {
  char *data = nullptr;
  size_t size = 0;
  proxy_get_buffer_bytes(kind, 0, length, &data, &size);
  return taken(data, size);
}

inline void set_buffer(uint32_t kind, uint32_t length, std::string_view text) {
  proxy_set_buffer_bytes(kind, 0, length, text.data(), text.size());
}

inline std::optional<std::string> header(uint32_t kind, std::string_view name) {
  char *data = nullptr;
  size_t size = 0;
  if (proxy_get_header_map_value(kind, name.data(), name.size(), &data, &size) != kOk) return std::nullopt;
  return taken(data, size);
}

inline void add_header(uint32_t kind, std::string_view name, std::string_view value) {
  proxy_add_header_map_value(kind, name.data(), name.size(), value.data(), value.size());
}

inline void replace_header(uint32_t kind, std::string_view name, std::string_view value) {
  proxy_replace_header_map_value(kind, name.data(), name.size(), value.data(), value.size());
}

inline void remove_header(uint32_t kind, std::string_view name) {
  proxy_remove_header_map_value(kind, name.data(), name.size());
}

inline std::string property(std::string_view path) {
  char *data = nullptr;
  size_t size = 0;
  proxy_get_property(path.data(), path.size(), &data, &size);
  return taken(data, size);
}

// Pairs as the host reads them.
inline std::string pairs(std::initializer_list<Pair> list) {
  std::string head, tail;
  auto word = [&head](uint32_t number) { head.append(reinterpret_cast<const char *>(&number), sizeof number); };
  word(list.size());
  for (const auto &[name, value] : list) {
    word(name.size());
    word(value.size());
    tail.append(name).push_back('\0');
    tail.append(value).push_back('\0');
  }
  return head + tail;
}

inline void reply(uint32_t status, std::string_view body, std::initializer_list<Pair> headers = {}) {
  const std::string list = pairs(headers);
  proxy_send_local_response(status, nullptr, 0, body.data(), body.size(), list.data(), list.size(), -1);
}

inline uint32_t call(std::string_view cluster, std::string_view path, uint32_t *token) {
  const std::string headers = pairs({{":method", "GET"}, {":path", path}, {":authority", "helper.example"}});
  return proxy_http_call(cluster.data(), cluster.size(), headers.data(), headers.size(), nullptr, 0, nullptr, 0, 5000,
                         token);
}

inline std::string shared(std::string_view key, uint32_t *cas) {
  char *data = nullptr;
  size_t size = 0;
  proxy_get_shared_data(key.data(), key.size(), &data, &size, cas);
  return taken(data, size);
}

inline uint32_t set_shared(std::string_view key, std::string_view value, uint32_t cas) {
  return proxy_set_shared_data(key.data(), key.size(), value.data(), value.size(), cas);
}

inline uint32_t metric(uint32_t kind, std::string_view name) {
  uint32_t id = 0;
  proxy_define_metric(kind, name.data(), name.size(), &id);
  return id;
}

}  // namespace host
