import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { ResponseReader } from "../../../registry/http1/_response_reader.ts";
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
async function readResponse(reader: ResponseReader, method = "GET", memoryBytes = 5) {
  const head = await reader.head();
  reader.begin(head, method);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  while (!reader.isAtEnd) {
    const part = await reader.body(new Uint8Array(memoryBytes));
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
    name: "with a list of equal lengths",
    text: "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nab",
    expected: { status: 200, body: "ab", isPersistent: true },
  },
  {
    name: "with an invalid length beside chunks",
    text: "HTTP/1.1 200 x\r\ncontent-length: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    expected: { status: 200, body: "", isPersistent: false },
  },
  {
    name: "with zeros before the size of a chunk",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n" +
      `${"0".repeat(20)}1\r\na\r\n0\r\n\r\n`,
    expected: { status: 200, body: "a", isPersistent: true },
  },
  {
    name: "with the coding of obsolete servers",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: identity\r\ncontent-length: 1\r\n\r\na",
    expected: { status: 200, body: "a", isPersistent: false },
  },
  {
    name: "after empty lines",
    text: "\r\n\nHTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\na",
    expected: { status: 200, body: "a", isPersistent: true },
  },
  {
    name: "with the status 205, which has a body",
    text: "HTTP/1.1 205 x\r\ncontent-length: 1\r\n\r\na",
    expected: { status: 205, body: "a", isPersistent: true },
  },
  {
    name: "with a status above 599",
    text: "HTTP/1.1 999 x\r\ncontent-length: 0\r\n\r\n",
    expected: { status: 999, body: "", isPersistent: true },
  },
  {
    name: "without a body",
    text: "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
    expected: { status: 204, body: "", isPersistent: true },
  },
  {
    name: "after interim ones",
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
      assertEquals(reader.hasBegun, false);
    });
  }
}

Deno.test("ResponseReader reads no body after HEAD, and the next response", async () => {
  const text = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
  const reader = new ResponseReader(connection(text + text + "abcdefg"));

  assertEquals((await readResponse(reader, "HEAD")).body, "");
  assertEquals((await readResponse(reader)).body, "abcdefg");
});

Deno.test("ResponseReader joins chunks for any sizes of pieces, chunks and buffers", async () => {
  const data = Array.from({ length: 500 }, (_, i) => String.fromCharCode(97 + i % 26)).join("");
  for (const chunkSize of [1, 2, 7, 60, 499, 500]) {
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (let at = 0; at < data.length; at += chunkSize) {
      const chunk = data.slice(at, at + chunkSize);
      text += `${chunk.length.toString(16)};x=${at}\r\n${chunk}\r\n`;
    }
    text += "0\r\na: b\r\n\r\n";
    for (const pieceBytes of [1, 2, 3, 11, 64, 1_000, Infinity]) {
      for (const memoryBytes of [1, 2, 3, 16, 200, 5_000]) {
        const reader = new ResponseReader(connection(text, pieceBytes));

        const { body, isPersistent } = await readResponse(reader, "GET", memoryBytes);

        assertEquals(body, data);
        assertEquals([isPersistent, reader.hasBegun], [true, false]);
      }
    }
  }
});

Deno.test("ResponseReader joins chunks that arrive together", async () => {
  const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n";
  const chunks = "a\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\nsurplus";
  const pieces = [head, chunks];
  const reader = new ResponseReader((memory) => {
    return Promise.resolve(new TextEncoder().encodeInto(pieces.shift() ?? "", memory).written);
  });
  reader.begin(await reader.head(), "GET");

  const body = await reader.body(new Uint8Array(100));

  assertEquals(new TextDecoder().decode(body), "abcdef");
  assertEquals(await reader.body(new Uint8Array(100)), undefined);
  assertEquals(reader.hasBegun, true);
});

Deno.test("ResponseReader ignores an invalid length of a response without a body", async () => {
  const reader = new ResponseReader(connection("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"));

  assertEquals((await readResponse(reader, "HEAD")).status, 200);
});

Deno.test("ResponseReader returns one length for several equal ones, and none for chunks", async () => {
  const heads = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n" +
    "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
  const reader = new ResponseReader(connection(heads));
  const lengths: (string | null)[] = [];
  for (let i = 0; i < 2; i++) {
    const head = await reader.head();
    reader.begin(head, "GET");
    lengths.push(head.headers.get("content-length"));
    await reader.body(new Uint8Array(9));
  }

  assertEquals(lengths, ["0", null]);
});

Deno.test("ResponseReader joins the lines of a folded header", async () => {
  const text = "HTTP/1.1 200 OK\r\na: b,\r\n \t c: d\r\n\te\r\nf: g\r\n\r\n";

  const { headers } = await new ResponseReader(connection(text)).head();

  assertEquals([...headers], [["a", "b, c: d e"], ["f", "g"]]);
});

Deno.test("ResponseReader ignores blanks before the colon of a header", async () => {
  const text = "HTTP/1.1 200 OK\r\ncontent-length \t: 2\r\nX : a : b\r\n\r\nok";
  const reader = new ResponseReader(connection(text));

  const { headers } = await reader.head();

  assertEquals([...headers], [["content-length", "2"], ["x", "a : b"]]);
});

Deno.test("ResponseReader reads a value with many spaces in linear time", async () => {
  const value = `a${" ".repeat(60_000)}b`;
  const read = async () => {
    const reader = new ResponseReader(connection(`HTTP/1.1 200 OK\r\nx: \t${value} \r\n\r\n`));
    const start = performance.now();
    const { headers } = await reader.head();
    assertEquals(headers.get("x"), value);
    return performance.now() - start;
  };

  // Backtracking would take seconds every time; another process may delay some of the turns.
  let best = Infinity;
  for (let turn = 0; turn < 10 && best >= 1_000; turn++) best = Math.min(best, await read());
  assertLess(best, 1_000);
});

for (const start of ["\x15\x03\x03\0\x02\x02\x46", "SSH-2.0-x", "HTTP/2"]) {
  Deno.test(`ResponseReader rejects ${JSON.stringify(start)} before a line ends`, async () => {
    const pieces = [start];
    const reader = new ResponseReader((memory) => {
      const piece = pieces.shift();
      if (piece === undefined) throw new Error("waits for more");
      return Promise.resolve(new TextEncoder().encodeInto(piece, memory).written);
    });

    await assertRejects(() => reader.head(), Error, "invalid HTTP version");
  });
}

for (
  const [text, what] of [
    ["HTTP/1.1 200 OK\r\na: b\r\n", "complete lines of another response"],
    ["HTTP/1.1 100 Continue\r\n\r\n", "an interim response"],
    ["\r\n", "an empty line"],
    ["x", "junk"],
  ] as const
) {
  for (const pieceBytes of [5, Infinity]) {
    Deno.test(`ResponseReader reports ${what} after a body in pieces of ${pieceBytes} bytes`, async () => {
      const body = "12345";
      const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`;
      const reader = new ResponseReader(connection(head + body + text, pieceBytes));
      await readResponse(reader);

      await assertRejects(() => reader.head());

      assertEquals(reader.hasBegun, true);
    });
  }
}

const BROKEN = [
  {
    name: "another protocol",
    text: "\x15\x03\x01\0\x02\x02\x16\n\n",
    says: "invalid HTTP version",
  },
  {
    name: "a change of the protocol",
    text: "HTTP/1.1 101 x\r\n\r\n",
    says: "invalid status",
  },
  { name: "a status of 99", text: "HTTP/1.1 99 x\r\n\r\n", says: "invalid status" },
  { name: "a status of 1000", text: "HTTP/1.1 1000 x\r\n\r\n", says: "invalid status" },
  { name: "a status of -20", text: "HTTP/1.1 -20 x\r\n\r\n", says: "invalid status" },
  { name: "HTTP/2", text: "HTTP/2 200\r\n\r\n", says: "invalid HTTP version" },
  { name: "HTTP/1.10", text: "HTTP/1.10 200 x\r\n\r\n", says: "invalid HTTP version" },
  ...["a", ": b", "a b: c", "a(b): c", "a: b\0c", "a: b\rc", "a: \x7f", "\ta: b", "\xe9: a"].map(
    (line) => ({
      name: `the header line ${JSON.stringify(line)}`,
      text: `HTTP/1.1 200 x\r\n${line}\r\n\r\n`,
      says: "invalid line in the headers",
    }),
  ),
  { name: "an early end", text: "HTTP/1.1 200 x\r\na: b\r\n", says: "connection closed" },
  { name: "an endless line", text: `HTTP/1.1 200 ${"x".repeat(70_000)}`, says: "too large" },
  {
    name: "an endless head",
    text: `HTTP/1.1 200 x\r\n${"a: b\r\n".repeat(20_000)}`,
    says: "too large",
  },
  {
    name: "endless interim responses",
    text: "HTTP/1.1 103 x\r\na: b\r\n\r\n".repeat(5_000),
    says: "too large",
  },
  { name: "endless empty lines", text: "\r\n".repeat(70_000), says: "too large" },
  ...["1\r\ncontent-length: 2", "1, 2", "-1", "+2", "2 2", "", "0x2", "9".repeat(16)].map(
    (length) => ({
      name: `the length ${JSON.stringify(length)}`,
      text: `HTTP/1.1 200 x\r\ncontent-length: ${length}\r\n\r\nab`,
      says: "invalid Content-Length",
    }),
  ),
  ...["gzip, chunked", "gzip\r\ntransfer-encoding: chunked", "chunked, chunked", "xchunked"].map(
    (coding) => ({
      name: `the transfer coding ${JSON.stringify(coding)}`,
      text: `HTTP/1.1 200 x\r\ntransfer-encoding: ${coding}\r\n\r\n1\r\na\r\n0\r\n\r\n`,
      says: "unsupported Transfer-Encoding",
    }),
  ),
  {
    name: "chunks of HTTP/1.0",
    text: "HTTP/1.0 200 x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    says: "unsupported Transfer-Encoding",
  },
  {
    name: "a body that ends early",
    text: "HTTP/1.1 200 x\r\ncontent-length: 3\r\n\r\nab",
    says: "connection closed",
  },
  ...["", "-1", "+1", " 1", "0x1", "1 1", "f".repeat(17), "1;a\rb", `1;${"a".repeat(5_000)}`].map(
    (size) => ({
      name: `the chunk size ${JSON.stringify(size).slice(0, 20)}`,
      text: `HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n${size}\r\na\r\n0\r\n\r\n`,
      says: "invalid chunk",
    }),
  ),
  {
    name: "chunks without carriage returns",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n1\na\n0\n\n",
    says: "invalid chunk",
  },
  {
    name: "invalid trailers",
    text: "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\0\r\n\r\n",
    says: "invalid line in the headers",
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
