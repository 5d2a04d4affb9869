import { assertEquals } from "@std/assert";
import { NetworkError } from "../../../registry/mod.ts";
import { digestOf } from "../../../spec/mod.ts";
import { ServedContent } from "../../../store/serving/_served_content.ts";

const BLOB = { mediaType: "a/b", digest: digestOf(new Uint8Array()), size: 0 };

Deno.test("ServedContent remembers missing blobs, but no failures of the network", async () => {
  const failure = new NetworkError("connection refused", {
    action: "find a blob",
    subject: "a blob",
    url: "http://localhost",
    reason: "refused",
  });
  const answers = [failure, undefined, BLOB];
  const served = new ServedContent({
    isStored: () => Promise.resolve(false),
    findBlob: () => {
      const answer = answers.shift();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  const mayName = () => served.mayName("a", BLOB);

  assertEquals([await mayName(), answers.length], [false, 2]);
  assertEquals([await mayName(), answers.length], [false, 1]);
  assertEquals([await mayName(), answers.length], [false, 1]);
});

Deno.test("ServedContent looks for a blob again after a failure of the network", async () => {
  const answers = [Promise.reject(new Deno.errors.TimedOut()), Promise.resolve(BLOB)];
  answers[0]?.catch(() => {});
  const served = new ServedContent({
    isStored: () => Promise.resolve(false),
    findBlob: async () => await answers.shift(),
  });

  assertEquals(await served.mayName("a", BLOB), false);
  assertEquals(await served.mayName("a", BLOB), true);
});
