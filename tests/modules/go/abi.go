package main

import "unsafe"

// The host functions that the filter calls, as the specification of ABI 0.2.1 has them.

//go:wasmimport env proxy_log
func proxyLog(level uint32, text unsafe.Pointer, size uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(kind, start, length uint32, data, size unsafe.Pointer) uint32

//go:wasmimport env proxy_set_buffer_bytes
func proxySetBufferBytes(kind, start, length uint32, data unsafe.Pointer, size uint32) uint32

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeaderMapValue(kind uint32, key unsafe.Pointer, keySize uint32, data, size unsafe.Pointer) uint32

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeaderMapValue(kind uint32, key unsafe.Pointer, keySize uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func proxyReplaceHeaderMapValue(kind uint32, key unsafe.Pointer, keySize uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmimport env proxy_remove_header_map_value
func proxyRemoveHeaderMapValue(kind uint32, key unsafe.Pointer, keySize uint32) uint32

//go:wasmimport env proxy_get_property
func proxyGetProperty(path unsafe.Pointer, pathSize uint32, data, size unsafe.Pointer) uint32

//go:wasmimport env proxy_send_local_response
func proxySendLocalResponse(status uint32, details unsafe.Pointer, detailsSize uint32, body unsafe.Pointer, bodySize uint32, headers unsafe.Pointer, headersSize uint32, grpcStatus int32) uint32

//go:wasmimport env proxy_continue_stream
func proxyContinueStream(kind uint32) uint32

//go:wasmimport env proxy_http_call
func proxyHTTPCall(cluster unsafe.Pointer, clusterSize uint32, headers unsafe.Pointer, headersSize uint32, body unsafe.Pointer, bodySize uint32, trailers unsafe.Pointer, trailersSize uint32, timeout uint32, token unsafe.Pointer) uint32

//go:wasmimport env proxy_set_effective_context
func proxySetEffectiveContext(context uint32) uint32

//go:wasmimport env proxy_set_tick_period_milliseconds
func proxySetTickPeriodMilliseconds(period uint32) uint32

//go:wasmimport env proxy_get_shared_data
func proxyGetSharedData(key unsafe.Pointer, keySize uint32, data, size, cas unsafe.Pointer) uint32

//go:wasmimport env proxy_set_shared_data
func proxySetSharedData(key unsafe.Pointer, keySize uint32, data unsafe.Pointer, size, cas uint32) uint32

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name unsafe.Pointer, nameSize uint32, id unsafe.Pointer) uint32

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, offset int64) uint32

//go:wasmimport env proxy_record_metric
func proxyRecordMetric(id uint32, value uint64) uint32

//go:wasmimport env proxy_get_metric
func proxyGetMetric(id uint32, value unsafe.Pointer) uint32

const (
	statusOK       = 0
	statusNotFound = 1

	actionContinue = 0
	actionPause    = 1

	requestHeaders  = 0
	responseHeaders = 2
	answerHeaders   = 6

	requestBody         = 0
	responseBody        = 1
	answerBody          = 4
	vmConfiguration     = 6
	pluginConfiguration = 7

	counter   = 0
	gauge     = 1
	histogram = 2

	logTrace    = 0
	logInfo     = 2
	logCritical = 5
)

// What the host was given to write to, kept from the collector until the result is taken.
var given = map[*byte][]byte{}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(size uint32) unsafe.Pointer {
	block := make([]byte, size)
	start := unsafe.SliceData(block)
	given[start] = block
	return unsafe.Pointer(start)
}

// What a host call gave back by pointer and length.
type result struct {
	data *byte
	size uint32
}

func (r *result) take() string {
	if r.data == nil || r.size == 0 {
		return ""
	}
	text := string(unsafe.Slice(r.data, r.size))
	delete(given, r.data)
	return text
}

func pointer(text string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(text)), uint32(len(text))
}

func log(level uint32, text string) {
	at, size := pointer(text)
	proxyLog(level, at, size)
}

func buffer(kind, size uint32) string {
	var out result
	if proxyGetBufferBytes(kind, 0, size, unsafe.Pointer(&out.data), unsafe.Pointer(&out.size)) != statusOK {
		return ""
	}
	return out.take()
}

func setBuffer(kind, length uint32, text string) {
	at, size := pointer(text)
	proxySetBufferBytes(kind, 0, length, at, size)
}

func header(kind uint32, name string) (string, bool) {
	var out result
	at, size := pointer(name)
	status := proxyGetHeaderMapValue(kind, at, size, unsafe.Pointer(&out.data), unsafe.Pointer(&out.size))
	return out.take(), status == statusOK
}

func addHeader(kind uint32, name, value string) {
	at, size := pointer(name)
	valueAt, valueSize := pointer(value)
	proxyAddHeaderMapValue(kind, at, size, valueAt, valueSize)
}

func replaceHeader(kind uint32, name, value string) {
	at, size := pointer(name)
	valueAt, valueSize := pointer(value)
	proxyReplaceHeaderMapValue(kind, at, size, valueAt, valueSize)
}

func removeHeader(kind uint32, name string) {
	at, size := pointer(name)
	proxyRemoveHeaderMapValue(kind, at, size)
}

func property(path string) string {
	var out result
	at, size := pointer(path)
	proxyGetProperty(at, size, unsafe.Pointer(&out.data), unsafe.Pointer(&out.size))
	return out.take()
}

// Pairs as the host reads them.
func pairs(list ...[2]string) string {
	word := func(n int) string { return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}) }
	head, tail := word(len(list)), ""
	for _, pair := range list {
		head += word(len(pair[0])) + word(len(pair[1]))
		tail += pair[0] + "\x00" + pair[1] + "\x00"
	}
	return head + tail
}

func reply(status uint32, body string, headers ...[2]string) {
	details, detailsSize := pointer("")
	bodyAt, bodySize := pointer(body)
	headersAt, headersSize := pointer(pairs(headers...))
	proxySendLocalResponse(status, details, detailsSize, bodyAt, bodySize, headersAt, headersSize, -1)
}

func call(cluster, path string) (uint32, uint32) {
	headers := pairs([2]string{":method", "GET"}, [2]string{":path", path}, [2]string{":authority", "helper.example"})
	clusterAt, clusterSize := pointer(cluster)
	headersAt, headersSize := pointer(headers)
	var token uint32
	status := proxyHTTPCall(clusterAt, clusterSize, headersAt, headersSize, nil, 0, nil, 0, 5000, unsafe.Pointer(&token))
	return token, status
}

func shared(key string) (string, uint32, uint32) {
	var out result
	var cas uint32
	at, size := pointer(key)
	status := proxyGetSharedData(at, size, unsafe.Pointer(&out.data), unsafe.Pointer(&out.size), unsafe.Pointer(&cas))
	return out.take(), cas, status
}

func setShared(key, value string, cas uint32) uint32 {
	at, size := pointer(key)
	valueAt, valueSize := pointer(value)
	return proxySetSharedData(at, size, valueAt, valueSize, cas)
}

func defineMetric(kind uint32, name string) uint32 {
	var id uint32
	at, size := pointer(name)
	proxyDefineMetric(kind, at, size, unsafe.Pointer(&id))
	return id
}
