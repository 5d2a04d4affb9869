import { assertThrows } from "@std/assert";
import { limitDecompressed } from "../../../store/threads/decompressed_total.ts";

Deno.test.each([-1, NaN])("limitDecompressed() rejects maxBytes=%s", (maxBytes) => {
  assertThrows(() => limitDecompressed(maxBytes), RangeError, '"maxBytes" must be >= 0');
});
