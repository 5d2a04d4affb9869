import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { verifiedRead } from "../../spec/image/verify_stream.ts";
import { DigestMismatchError, digestOf, Verifier, VerifyStream } from "../../spec/mod.ts";
import { bytes } from "./_json.ts";

const HELLO = bytes("hello");

Deno.test("Verifier accepts the expected bytes in any chunks", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array()), fc.boolean(), (chunks, sized) => {
    const all = new Uint8Array(chunks.flatMap((chunk) => [...chunk]));
    const digest = digestOf(all, "sha512");
    const verifier = new Verifier(sized ? { digest, size: all.length } : { digest });

    for (const chunk of chunks) verifier.update(chunk);
    verifier.finish();

    assertEquals(verifier.size, all.length);
  }));
});

Deno.test("Verifier rejects fewer bytes", () => {
  const verifier = new Verifier({ digest: digestOf(HELLO), size: 5 }, "http://localhost");
  verifier.update(HELLO.subarray(0, 4));

  const error = assertThrows(() => verifier.finish(), DigestMismatchError, "received 4 of 5 bytes");
  assertEquals(error.source, "http://localhost");
  assertEquals(error.actual, undefined);
});

Deno.test("Verifier rejects the first excess byte", () => {
  const verifier = new Verifier({ digest: digestOf(HELLO), size: 4 });

  assertThrows(() => verifier.update(HELLO), DigestMismatchError, "received more than 4 bytes");
});

Deno.test("Verifier rejects different bytes of the same size", () => {
  for (const size of [{ size: 5 }, {}]) {
    const verifier = new Verifier({ digest: digestOf(HELLO), ...size });
    verifier.update(bytes("hallo"));

    const error = assertThrows(() => verifier.finish(), DigestMismatchError, "their digest is");
    assertEquals(error.actual, digestOf(bytes("hallo")));
    assertEquals(error.toJSON().expected, digestOf(HELLO));
  }
});

Deno.test("VerifyStream passes the expected bytes", async () => {
  const body = new Blob([HELLO]).stream();

  const verified = body.pipeThrough(new VerifyStream({ digest: digestOf(HELLO), size: 5 }));

  assertEquals(await new Response(verified).bytes(), HELLO);
});

Deno.test.each([
  { name: "too few bytes", text: "hell" },
  { name: "too many bytes", text: "hello!" },
  { name: "other bytes", text: "hallo" },
  { name: "no bytes", text: "" },
])("VerifyStream fails with $name", async ({ text }) => {
  const verified = new Blob([text]).stream()
    .pipeThrough(new VerifyStream({ digest: digestOf(HELLO), size: 5 }));

  await assertRejects(() => new Response(verified).bytes(), DigestMismatchError);
});

Deno.test("VerifyStream stops an endless source at the first excess byte", async () => {
  let canceled: unknown;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel: (reason) => void (canceled = reason),
  });
  const verified = endless.pipeThrough(new VerifyStream({ digest: digestOf(HELLO), size: 5 }));

  const error = await assertRejects(() => new Response(verified).bytes(), DigestMismatchError);
  assertEquals(canceled, error);
  assertEquals(error.size, 6);
});

const HELLO_BLOB = { digest: digestOf(HELLO), size: 5 };
const nowhere = () => "http://localhost/blob";

Deno.test.each([
  { name: "too few bytes", text: "hell", seen: "hell" },
  { name: "too many bytes", text: "hello!", seen: "hello" },
  { name: "other bytes", text: "hallo", seen: "hall" },
  { name: "no bytes", text: "", seen: "" },
])("verifiedRead() fails with $name", async ({ text, seen }) => {
  const read = verifiedRead(eachByte(text), HELLO_BLOB, {}, nowhere);
  let got = "";

  const error = await assertRejects(async () => {
    for await (const chunk of read) got += new TextDecoder().decode(chunk);
  }, DigestMismatchError);

  assertEquals(got, seen);
  assertEquals(error.source, nowhere());
});

Deno.test.each([{ raw: true }, { offset: 1 }, { length: 3 }])(
  "verifiedRead() does not verify a read with %o",
  async (options) => {
    const read = verifiedRead(eachByte("hallo!"), HELLO_BLOB, options, nowhere);

    assertEquals(await new Response(read).text(), "hallo!");
  },
);

Deno.test("verifiedRead() reads only on demand and forwards the cancellation", async () => {
  const events: unknown[] = [];
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      events.push("pull");
      controller.enqueue(HELLO.slice(0, 2));
    },
    cancel: (reason) => void events.push(reason),
  }, { highWaterMark: 0 });

  const reader = verifiedRead(source, HELLO_BLOB, {}, nowhere).getReader();
  assertEquals(events, []);
  assertEquals((await reader.read()).value, HELLO.slice(0, 2));
  await reader.cancel("enough");

  assertEquals(events, ["pull", "enough"]);
});

Deno.test("verifiedRead() cancels a source that sends too much", async () => {
  let reason: unknown;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel: (error) => void (reason = error),
  });

  const error = await assertRejects(
    () => new Response(verifiedRead(endless, HELLO_BLOB, {}, nowhere)).bytes(),
    DigestMismatchError,
  );

  assertEquals(reason, error);
});

function eachByte(text: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from([...text].map(bytes));
}
