// The host functions that the filter calls, as the specification of ABI 0.2.1 has them.
#pragma once

#include <cstddef>
#include <cstdint>

#define IMPORT(module, name) extern "C" __attribute__((import_module(module), import_name(#name))) uint32_t name
#define HOST(name) IMPORT("env", name)
#define CALLBACK(name) extern "C" __attribute__((export_name(#name)))

HOST(proxy_log)(uint32_t level, const char *text, size_t size);
HOST(proxy_get_buffer_bytes)(uint32_t kind, uint32_t start, uint32_t length, char **data, size_t *size);
HOST(proxy_set_buffer_bytes)(uint32_t kind, uint32_t start, uint32_t length, const char *data, size_t size);
HOST(proxy_get_header_map_value)(uint32_t kind, const char *key, size_t key_size, char **data, size_t *size);
HOST(proxy_add_header_map_value)(uint32_t kind, const char *key, size_t key_size, const char *value, size_t value_size);
HOST(proxy_replace_header_map_value)(uint32_t kind, const char *key, size_t key_size, const char *value,
                                     size_t value_size);
HOST(proxy_remove_header_map_value)(uint32_t kind, const char *key, size_t key_size);
HOST(proxy_get_property)(const char *path, size_t path_size, char **data, size_t *size);
HOST(proxy_send_local_response)(uint32_t status, const char *details, size_t details_size, const char *body,
                                size_t body_size, const char *headers, size_t headers_size, int32_t grpc_status);
HOST(proxy_continue_stream)(uint32_t kind);
HOST(proxy_http_call)(const char *cluster, size_t cluster_size, const char *headers, size_t headers_size,
                      const char *body, size_t body_size, const char *trailers, size_t trailers_size,
                      uint32_t timeout, uint32_t *token);
HOST(proxy_set_effective_context)(uint32_t context);
HOST(proxy_set_tick_period_milliseconds)(uint32_t period);
HOST(proxy_get_shared_data)(const char *key, size_t key_size, char **data, size_t *size, uint32_t *cas);
HOST(proxy_set_shared_data)(const char *key, size_t key_size, const char *data, size_t size, uint32_t cas);
HOST(proxy_define_metric)(uint32_t kind, const char *name, size_t name_size, uint32_t *id);
HOST(proxy_increment_metric)(uint32_t id, int64_t offset);
HOST(proxy_record_metric)(uint32_t id, uint64_t value);
// Emscripten's library takes randomness from JavaScript, which is not around a filter.
IMPORT("wasi_snapshot_preview1", random_get)(void *at, size_t size);

enum : uint32_t {
  kOk = 0,
  kContinue = 0,
  kPause = 1,
  kRequestHeaders = 0,
  kResponseHeaders = 2,
  kAnswerHeaders = 6,
  kRequestBody = 0,
  kResponseBody = 1,
  kAnswerBody = 4,
  kVmConfiguration = 6,
  kPluginConfiguration = 7,
  kCounter = 0,
  kGauge = 1,
  kHistogram = 2,
  kInfo = 2,
  kCritical = 5,
};
