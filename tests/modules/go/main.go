// The sample filter in Go. ../README.md says what it does.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A stream, from its headers to its log.
type stream struct {
	path string
}

var (
	streams  = map[uint32]*stream{}
	waiting  = map[uint32]uint32{}
	greeting string
	requests uint32
	open     uint32
	sizes    uint32
	ticks    int
	// Made before any callback: the runtime ran its initialisation.
	words = strings.Split("started early", " ")
)

func main() {}

func init() { words = append(words, "enough") }

//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

//go:wasmexport proxy_on_context_create
func onContextCreate(context, root uint32) {
	if root != 0 {
		streams[context] = &stream{}
	}
}

//go:wasmexport proxy_on_vm_start
func onVMStart(_, size uint32) uint32 {
	log(logInfo, fmt.Sprintf("%s with `%s`", strings.Join(words, " "), buffer(vmConfiguration, size)))
	proxySetTickPeriodMilliseconds(20)
	return 1
}

//go:wasmexport proxy_on_configure
func onConfigure(_, size uint32) uint32 {
	greeting = buffer(pluginConfiguration, size)
	log(logInfo, fmt.Sprintf("configured with `%s`", greeting))
	if greeting == "refuse" {
		return 0
	}
	requests = defineMetric(counter, "sample.requests")
	open = defineMetric(gauge, "sample.open")
	sizes = defineMetric(histogram, "sample.sizes")
	return 1
}

//go:wasmexport proxy_on_tick
func onTick(uint32) { ticks++ }

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(context, _, _ uint32) uint32 {
	proxyIncrementMetric(open, 1)
	path, _ := header(requestHeaders, ":path")
	streams[context].path = path
	switch path {
	case "/local":
		reply(418, "short and stout", [2]string{"x-reply", "yes"}, [2]string{"content-type", "text/x-pot"})
		return actionPause
	case "/call", "/call/404":
		token, status := call("helper", strings.Replace(path, "/call", "/helper", 1))
		if status != statusOK {
			reply(500, fmt.Sprintf("the call was refused with %d", status))
		}
		waiting[token] = context
		return actionPause
	case "/call-nobody":
		_, status := call("nobody", "/")
		reply(500, fmt.Sprintf("the call was refused with %d", status))
		return actionPause
	case "/shared":
		reply(200, fmt.Sprintf("seen %d times", count("visits")))
		return actionPause
	case "/ticks":
		reply(200, fmt.Sprintf("ticked %t", ticks > 0))
		return actionPause
	case "/properties":
		reply(200, fmt.Sprintf("%s, %s, %s", property("request\x00method"), property("plugin_name"), property("no\x00such")))
		return actionPause
	case "/log":
		for level := uint32(logTrace); level <= logCritical; level++ {
			log(level, fmt.Sprintf("level %d", level))
		}
	case "/output":
		fmt.Println("to the standard output")
		fmt.Fprintln(os.Stderr, "to the standard error")
	case "/library":
		reply(200, library())
		return actionPause
	case "/panic":
		panic("asked for")
	case "/body":
		removeHeader(requestHeaders, "content-length")
	}
	addHeader(requestHeaders, "x-greeting", greeting)
	replaceHeader(requestHeaders, "x-replaced", "by the filter")
	removeHeader(requestHeaders, "x-removed")
	if value, found := header(requestHeaders, "x-absent"); found {
		addHeader(requestHeaders, "x-found", value)
	}
	return actionContinue
}

//go:wasmexport proxy_on_request_body
func onRequestBody(context, size, end uint32) uint32 {
	if streams[context].path != "/body" {
		return actionContinue
	}
	if end == 0 {
		return actionPause
	}
	proxyRecordMetric(sizes, uint64(size))
	setBuffer(requestBody, size, "["+buffer(requestBody, size)+"]")
	return actionContinue
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(context, _, _ uint32) uint32 {
	addHeader(responseHeaders, "x-seen", streams[context].path)
	if streams[context].path == "/body" {
		removeHeader(responseHeaders, "content-length")
	}
	return actionContinue
}

//go:wasmexport proxy_on_response_body
func onResponseBody(context, size, end uint32) uint32 {
	if streams[context].path == "/body" && end != 0 {
		setBuffer(responseBody, size, buffer(responseBody, size)+"!")
	}
	return actionContinue
}

//go:wasmexport proxy_on_http_call_response
func onHTTPCallResponse(_, token, _, size, _ uint32) {
	context, found := waiting[token]
	if !found {
		return
	}
	delete(waiting, token)
	status, _ := header(answerHeaders, ":status")
	body := buffer(answerBody, size)
	proxySetEffectiveContext(context)
	if status == "200" {
		addHeader(requestHeaders, "x-helper", body)
		proxyContinueStream(0)
	} else {
		reply(502, fmt.Sprintf("the helper said %s", status))
	}
}

//go:wasmexport proxy_on_log
func onLog(context uint32) {
	proxyIncrementMetric(requests, 1)
	proxyIncrementMetric(open, -1)
	status, _ := header(responseHeaders, ":status")
	log(logInfo, fmt.Sprintf("`%s` ended with %s", streams[context].path, status))
}

//go:wasmexport proxy_on_done
func onDone(uint32) uint32 { return 1 }

//go:wasmexport proxy_on_delete
func onDelete(context uint32) { delete(streams, context) }

// Counts a visit in the shared data, by compare-and-swap.
func count(key string) int {
	for {
		value, cas, _ := shared(key)
		visits, _ := strconv.Atoi(value)
		if setShared(key, strconv.Itoa(visits+1), cas) == statusOK {
			return visits + 1
		}
	}
}

// What the language's own library makes of the host: its clock, randomness, memory and sorting.
func library() string {
	year := time.Now().UTC().Year()
	random := rand.Uint64() != rand.Uint64()
	var blocks [][]byte
	for i := range 64 {
		blocks = append(blocks, make([]byte, 64<<10))
		blocks[i][i] = byte(i)
	}
	names := []string{"c", "a", "b"}
	sort.Strings(names)
	_, environment := os.LookupEnv("HOME")
	_, missing := os.ReadFile("/etc/passwd")
	return fmt.Sprintf("after 2020 %t, random %t, memory %d, sorted %v, home %t, files %t",
		year > 2020, random, len(blocks)*len(blocks[0]), strings.Join(names, ""), environment, missing == nil)
}
