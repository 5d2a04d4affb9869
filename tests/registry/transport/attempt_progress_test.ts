import { assertEquals } from "@std/assert";
import { NetworkError } from "../../../registry/mod.ts";
import { AttemptProgress } from "../../../registry/transport/attempt_progress.ts";
import { manualTime } from "../../_support/manual_time.ts";

const MIB = 1024 * 1024;

Deno.test.each(
  [
    { reason: "stalled", gained: MIB, seconds: 0, isEnough: true },
    { reason: "stalled", gained: MIB - 1, seconds: 29, isEnough: false },
    { reason: "stalled", gained: 1024, seconds: 30, isEnough: true },
    { reason: "stalled", gained: 1023, seconds: 1000, isEnough: false },
    { reason: "cut", gained: 1024, seconds: 0, isEnough: true },
    { reason: "cut", gained: 1023, seconds: 0, isEnough: false },
  ] as const,
)(
  "isEnough() is $isEnough for an attempt that is $reason after $gained bytes in $seconds s",
  ({ reason, gained, seconds, isEnough }) => {
    using time = manualTime();
    const progress = new AttemptProgress();
    const error = new NetworkError("a failure", {
      action: "send",
      url: "http://localhost",
      reason,
    });

    progress.begin();
    time.pass(seconds * 1000);
    progress.moved();
    // The stall itself does not count.
    time.pass(60_000);

    assertEquals(progress.isEnough(error, gained), isEnough);
  },
);
