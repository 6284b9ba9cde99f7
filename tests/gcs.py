"""A Google Cloud Storage of our own on the loopback: what pyarrow asks of one, in memory."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Objects by bucket/name; uploads in parts are put together in `sessions`."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    sessions: dict[str, tuple[str, bytearray]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path, query = self._target()
        if bucket := re.fullmatch(r"/storage/v1/b/([^/]+)/o/?", path):
            prefix = f"{bucket[1]}/{query.get('prefix', [''])[0]}"
            found = [key for key in sorted(self.objects) if key.startswith(prefix)]
            return self._json({"items": [self._describe(key) for key in found]})
        if bucket := re.fullmatch(r"/storage/v1/b/([^/]+)", path):
            return self._json({"kind": "storage#bucket", "name": bucket[1]})
        key = self._key(path)
        if key not in self.objects:
            return self._json({"error": {"code": 404, "message": "Not Found"}}, 404)
        if path.startswith("/storage/v1/b/") and query.get("alt") != ["media"]:
            return self._json(self._describe(key))
        return self._content(self.objects[key])

    def do_DELETE(self) -> None:
        self.objects.pop(self._key(self._target()[0]), None)
        self._answer(204, b"")

    def do_POST(self) -> None:
        """Begin an upload in parts, or take one that comes whole with its description."""
        path, query = self._target()
        bucket = path.split("/")[5]
        body = self._body()
        if query["uploadType"] == ["multipart"]:
            boundary = re.search(r"boundary=(\S+)", self.headers["Content-Type"])[1].strip('"')
            parts = body.split(f"--{boundary}".encode())
            described, content = (part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:3])
            key = f"{bucket}/{json.loads(described)['name']}"
            self.objects[key] = content
            return self._json(self._describe(key))
        name = query.get("name", [json.loads(body or b"{}").get("name", "")])[0]
        number = str(len(self.sessions))
        self.sessions[number] = (f"{bucket}/{name}", bytearray())
        host, port = self.server.server_address[:2]
        self._answer(200, b"{}", Location=f"http://{host}:{port}/session/{number}")

    def do_PUT(self) -> None:
        """Take a part of an upload; the last one says how long the whole is."""
        key, content = self.sessions[self._target()[0].split("/")[2]]
        content += self._body()
        if self.headers.get("Content-Range", "").endswith("/*"):
            return self._answer(308, b"", Range=f"bytes=0-{len(content) - 1}")
        self.objects[key] = bytes(content)
        return self._json(self._describe(key))

    def _target(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query)

    def _key(self, path: str) -> str:
        """Of /storage/v1/b/bucket/o/name, or of /bucket/name."""
        match = re.fullmatch(r"/(?:download/)?storage/v1/b/([^/]+)/o/(.+)", path)
        return unquote("/".join(match.groups()) if match else path[1:])

    def _describe(self, key: str) -> dict[str, str]:
        bucket, name = key.split("/", 1)
        return {
            "kind": "storage#object", "bucket": bucket, "name": name, "generation": "1",
            "size": str(len(self.objects[key])), "updated": "2026-01-01T00:00:00Z",
        }  # fmt: skip

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _content(self, content: bytes) -> None:
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return self._answer(200, content)
        start, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
        part = content[start : last + 1]
        span = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        return self._answer(206, part, **{"Content-Range": span})

    def _json(self, value: object, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[str]:
    """Serve; yields the options that a gs:// URI needs to find it."""
    handler = type("Handler", (Handler,), {"objects": {}, "sessions": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"?scheme=http&endpoint_override=127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
