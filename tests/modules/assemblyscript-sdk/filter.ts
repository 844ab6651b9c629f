// The part of the sample filter that the SDK for AssemblyScript can do. ../README.md says what it does.
export * from "@solo-io/proxy-runtime/proxy";
import {
  BaseContext, Context, Counter, FilterHeadersStatusValues, GrpcStatusValues, HeaderPair, Headers, LogLevelValues,
  RootContext, WasmResultValues, continue_request, log, registerRootContext, send_local_response, stream_context,
} from "@solo-io/proxy-runtime";

function pair(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value));
}

function reply(status: u32, body: string, headers: Headers): FilterHeadersStatusValues {
  send_local_response(status, "", String.UTF8.encode(body), headers, GrpcStatusValues.InvalidCode);
  return FilterHeadersStatusValues.StopIteration;
}

class Root extends RootContext {
  requests: Counter = new Counter("sample.requests");

  onConfigure(size: u32): bool {
    const good = super.onConfigure(size);
    log(LogLevelValues.info, "configured with `" + this.getConfiguration() + "`");
    return good;
  }

  createContext(context: u32): Context {
    return new Stream(context, this);
  }
}

class Stream extends Context {
  path: string;
  root: Root;

  constructor(context: u32, root: Root) {
    super(context, root);
    this.path = "";
    this.root = root;
  }

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    this.path = stream_context.headers.request.get(":path");
    if (this.path == "/local") {
      return reply(418, "short and stout", [pair("x-reply", "yes"), pair("content-type", "text/x-pot")]);
    }
    if (this.path == "/call") return this.call("helper", "/helper");
    if (this.path == "/call/404") return this.call("helper", "/helper/404");
    if (this.path == "/call-nobody") return this.call("nobody", "/");
    if (this.path == "/log") {
      log(LogLevelValues.trace, "level 0");
      log(LogLevelValues.debug, "level 1");
      log(LogLevelValues.info, "level 2");
      log(LogLevelValues.warn, "level 3");
      log(LogLevelValues.error, "level 4");
      log(LogLevelValues.critical, "level 5");
    }
    if (this.path == "/panic") throw new Error("asked for");
    stream_context.headers.request.add("x-greeting", this.root.getConfiguration());
    stream_context.headers.request.replace("x-replaced", "by the filter");
    stream_context.headers.request.remove("x-removed");
    return FilterHeadersStatusValues.Continue;
  }

  call(cluster: string, path: string): FilterHeadersStatusValues {
    const headers: Headers = [pair(":method", "GET"), pair(":path", path), pair(":authority", "helper.example")];
    const status = this.root.httpCall(
      cluster, headers, new ArrayBuffer(0), [], 5000, this,
      (origin: BaseContext, headers: u32, size: usize, trailers: u32): void => {
        const status = stream_context.headers.http_callback.get(":status");
        if (status == "200") {
          stream_context.headers.request.add("x-helper", "helped");
          continue_request();
        } else {
          reply(502, "the helper said " + status, []);
        }
      });
    if (status != WasmResultValues.Ok) return reply(500, "the call was refused with " + status.toString(), []);
    return FilterHeadersStatusValues.StopIteration;
  }

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-seen", this.path);
    return FilterHeadersStatusValues.Continue;
  }

  onLog(): void {
    this.root.requests.increment(1);
    const status = stream_context.headers.response.get(":status");
    log(LogLevelValues.info, "`" + this.path + "` ended with " + status);
  }
}

registerRootContext((context: u32): RootContext => new Root(context), "");
