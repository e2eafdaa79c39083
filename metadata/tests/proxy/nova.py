"""A web server that stands where Nova's metadata service stands.

GET  /status/CODE     that code, with a body
GET  /big/BYTES       so many bytes
GET  /slow/SECONDS    the head of the answer after so long
GET  /stall/SECONDS   a piece of the body at once, the rest after so long
GET  anything else    the request as JSON: method, path, headers
POST anything         the same, with the length and the digest of the body
"""
import hashlib, http.server, json, socketserver, ssl, sys, time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def say(self, code, body, kind="text/plain"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Internal", "not for guests")
        if code == 302:
            self.send_header("Location", "http://elsewhere/")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self):
        body = self.body()
        parts = self.path.strip("/").split("/")
        match parts:
            case ["status", code]:
                self.say(int(code), b"said Nova")
            case ["big", size]:
                self.say(200, b"x" * int(size))
            case ["slow", seconds]:
                time.sleep(float(seconds))
                self.say(200, b"late")
            case ["stall", seconds]:
                self.send_response(200)
                self.send_header("Content-Length", "10")
                self.end_headers()
                self.wfile.write(b"first")
                self.wfile.flush()
                time.sleep(float(seconds))
                self.wfile.write(b" last")
            case _:
                heard = {
                    "method": self.command,
                    "path": self.path,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "peer": self.client_address[1],
                    "length": len(body),
                    "digest": hashlib.sha256(body).hexdigest(),
                }
                self.say(200, json.dumps(heard).encode(), "application/json")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = answer


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
if len(sys.argv) > 2:
    folder = sys.argv[2]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/nova.pem", f"{folder}/nova.key")
    if len(sys.argv) > 3:
        context.load_verify_locations(f"{folder}/ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
