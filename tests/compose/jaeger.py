"""A stand-in for Jaeger: receives traces (OTLP over gRPC, port 4317) and serves the part of Jaeger's API that
the checks use (port 16686): /api/traces?service=NAME."""

import collections
import concurrent.futures
import http.server
import json
import urllib.parse

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# By trace: the spans, each with its name and its service.
TRACES: dict[str, list[dict]] = collections.defaultdict(list)


def fields(message: bytes):
    """The fields of a protobuf message, each with its number."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 0:
            yield number, varint()
        else:
            size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
            yield number, message[at : at + size]
            at += size


def those(message: bytes, *path: int):
    """The values at the end of a path of field numbers."""
    if not path:
        yield message
        return
    for number, value in fields(message):
        if number == path[0]:
            yield from those(value, *path[1:])


def export(request: bytes, _context) -> bytes:
    for resource in those(request, 1):
        attributes = {next(those(a, 1)): a for a in those(resource, 1, 1)}
        (service,) = those(attributes[b"service.name"], 2, 1)
        for span in those(resource, 2, 2):
            trace, name = next(those(span, 1)).hex(), next(those(span, 5)).decode()
            TRACES[trace].append({"operationName": name, "processID": service.decode()})
    return b""


class Traces(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(export) if details.method == EXPORT else None


class Queries(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        (service,) = asked.get("service", [""])
        data = [
            {
                "traceID": trace,
                "spans": spans,
                "processes": {s["processID"]: {"serviceName": s["processID"]} for s in spans},
            }
            for trace, spans in list(TRACES.items())
            if any(s["processID"] == service for s in spans)
        ]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": data}).encode())

    def log_message(self, *_) -> None:
        pass


if __name__ == "__main__":
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Traces()])
    server.add_insecure_port("0.0.0.0:4317")
    server.start()
    http.server.ThreadingHTTPServer(("0.0.0.0", 16686), Queries).serve_forever()
