import { assertEquals } from "@std/assert";
import { networkError } from "../../../registry/transport/network_failure.ts";

Deno.test.each([
  {
    text: "Connection refused (os error 111)",
    problem: "connection refused by a.example",
    advice: "Check the host and the port",
  },
  {
    text: "Network is unreachable (os error 101)",
    problem: "a.example is unreachable",
    advice: "Check the host and your network",
  },
  {
    text: "No route to host (os error 113)",
    problem: "a.example is unreachable",
    advice: "Check the host and your network",
  },
  {
    text: "no connection after 0.7 s",
    problem: "a.example is unreachable (no connection after 0.7 s)",
    advice: "Check the host and your network",
  },
])("networkError() describes $text", ({ text, problem, advice }) => {
  const task = { action: "pull", subject: "b" };

  const error = networkError(new Error(text), {
    url: new URL("https://a.example/v2/"),
    task,
    attempt: 1,
  });

  assertEquals([error.reason, error.problem, error.advice], ["refused", problem, advice]);
});
