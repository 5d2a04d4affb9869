import { assertEquals, assertMatch } from "@std/assert";
import { explainFailure } from "../../../store/runtime/_runtime_log.ts";

const START = "runc run failed: unable to start container process: ";

Deno.test.each([
  { says: "container init was OOM-killed (memory limit too low?)", option: "memory" },
  {
    says: "error setting cgroup config for procHooks process: cannot set memory limit: container " +
      "could not join or create cgroup",
    option: undefined,
  },
])(
  "explainFailure() tells a low memory limit from missing cgroups: $option",
  ({ says, option }) => {
    const error = explainFailure("/usr/bin/runc", [START + says]);

    assertEquals(error.option, option);
    assertMatch(error.advice ?? "", option === undefined ? /control groups/ : /more memory/);
  },
);
