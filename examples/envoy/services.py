#!/usr/bin/env python3
"""The sample services behind the gateway, and the place where the issuer publishes its keys.

Each service answers with what it got, so that one can see what the gateway added and took away. The
keys are read from generated/jwks.json for every request: replace the file to rotate them.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEYS = Path(__file__).parent / "generated" / "jwks.json"
SERVICES = {8081: "orchestrator", 8082: "fraud-model", 8083: "feature-store"}
ISSUER = 8090


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        port = self.server.server_address[1]
        if port == ISSUER:
            status, body = (200, KEYS.read_bytes()) if self.path == "/jwks" else (404, b"{}")
        else:
            seen = {"service": SERVICES[port], "method": self.command, "path": self.path, "headers": self.headers.items()}
            status, body = 200, json.dumps(seen, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    for port in [*SERVICES, ISSUER]:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever).start()
    print("services on", ", ".join(f"127.0.0.1:{port}" for port in SERVICES), "- issuer keys on", f"127.0.0.1:{ISSUER}")
