import { assertEquals, assertRejects } from "@std/assert";
import { ResponseReader } from "../../../registry/plain_http/_response_reader.ts";
import { concat } from "../../_support/bytes.ts";

/** A connection that yields text in pieces. */
function connection(text: string, pieceBytes = Infinity) {
  let rest = new TextEncoder().encode(text);
  return (memory: Uint8Array): Promise<number | null> => {
    if (rest.length === 0) return Promise.resolve(null);
    const piece = rest.subarray(0, Math.min(memory.length, pieceBytes));
    memory.set(piece);
    rest = rest.subarray(piece.length);
    return Promise.resolve(piece.length);
  };
}

/** Reads one response. */
async function readResponse(reader: ResponseReader, method = "GET") {
  const head = await reader.head();
  reader.begin(head, method);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  while (!reader.isAtEnd) {
    const part = await reader.body(new Uint8Array(5));
    if (part !== undefined) parts.push(part);
  }
  const body = new TextDecoder().decode(concat(...parts));
  return { status: head.status, body, isPersistent: reader.isPersistent };
}

const RESPONSES = [
  {
    name: "with a length",
    text: "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdefg",
    expected: { status: 200, body: "abcdefg", isPersistent: true },
  },
  {
    name: "with two equal lengths",
    text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nab",
    expected: { status: 200, body: "ab", isPersistent: true },
  },
  {
    name: "in chunks with extensions and trailers",
    text: "HTTP/1.1 200\r\ntransfer-encoding: Chunked\r\n\r\n" +
      "3;a=b\r\nabc\r\nA \r\n0123456789\r\n0\r\nx: y\r\n\r\n",
    expected: { status: 200, body: "abc0123456789", isPersistent: true },
  },
  {
    name: "up to the end of the connection",
    text: "HTTP/1.1 200 OK\r\n\r\nabcdefg",
    expected: { status: 200, body: "abcdefg", isPersistent: false },
  },
  {
    name: "of HTTP/1.0",
    text: "HTTP/1.0 400 Bad Request\r\ncontent-length: 1\r\n\r\na",
    expected: { status: 400, body: "a", isPersistent: false },
  },
  {
    name: "after which the connection closes",
    text: "HTTP/1.1 404 Not Found\nConnection: foo, Close\ncontent-length: 1\n\na",
    expected: { status: 404, body: "a", isPersistent: false },
  },
  {
    name: "with an uncertain end",
    text: "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    expected: { status: 200, body: "", isPersistent: false },
  },
  {
    name: "without a body",
    text: "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
    expected: { status: 204, body: "", isPersistent: true },
  },
  {
    name: "after preliminary ones",
    text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nlink: y\r\n\r\n" +
      "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n",
    expected: { status: 201, body: "", isPersistent: true },
  },
] as const;
for (const { name, text, expected } of RESPONSES) {
  for (const pieceBytes of [1, 4, Infinity]) {
    Deno.test(`ResponseReader reads a response ${name} in pieces of ${pieceBytes} bytes`, async () => {
      const reader = new ResponseReader(connection(text, pieceBytes));

      assertEquals(await readResponse(reader), expected);
      assertEquals(reader.hasSurplus, false);
    });
  }
}

Deno.test("ResponseReader reads no body after HEAD, and the next response", async () => {
  const text = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
  const reader = new ResponseReader(connection(text + text + "abcdefg"));

  assertEquals((await readResponse(reader, "HEAD")).body, "");
  assertEquals((await readResponse(reader)).body, "abcdefg");
});

const BROKEN = [
  {
    name: "another protocol",
    text: "\x15\x03\x01\0\x02\x02\x16\n\n",
    says: "invalid HTTP version",
  },
  {
    name: "a change of the protocol",
    text: "HTTP/1.1 101 x\r\n\r\n",
    says: "invalid HTTP version",
  },
  { name: "a status of 999", text: "HTTP/1.1 999 x\r\n\r\n", says: "invalid HTTP version" },
  { name: "a header without a colon", text: "HTTP/1.1 200 x\r\na\r\n\r\n", says: "invalid header" },
  {
    name: "a folded header",
    text: "HTTP/1.1 200 x\r\na: b\r\n c: d\r\n\r\n",
    says: "invalid header",
  },
  { name: "an early end", text: "HTTP/1.1 200 x\r\na: b\r\n", says: "connection closed" },
  { name: "an endless line", text: `HTTP/1.1 200 ${"x".repeat(70_000)}`, says: "too long" },
  {
    name: "an endless head",
    text: `HTTP/1.1 200 x\r\n${"a: b\r\n".repeat(20_000)}`,
    says: "too long",
  },
  {
    name: "two lengths",
    text: "HTTP/1.1 200 x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    says: "invalid Content-Length",
  },
  {
    name: "a negative length",
    text: "HTTP/1.1 200 x\r\ncontent-length: -1\r\n\r\nab",
    says: "invalid Content-Length",
  },
  {
    name: "a body that ends early",
    text: "HTTP/1.1 200 x\r\ncontent-length: 3\r\n\r\nab",
    says: "connection closed",
  },
  {
    name: "a chunk without a size",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nab",
    says: "invalid chunk",
  },
  {
    name: "a chunk that is longer than its size",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\n\r\n0\r\n\r\n",
    says: "invalid chunk",
  },
  {
    name: "chunks that end early",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    says: "connection closed",
  },
];
for (const { name, text, says } of BROKEN) {
  Deno.test(`ResponseReader rejects ${name}`, async () => {
    await assertRejects(() => readResponse(new ResponseReader(connection(text))), Error, says);
  });
}
