import { assertEquals, assertStringIncludes } from "@std/assert";
import { ContentStore } from "../../../../store/mod.ts";
import { buildImage, putBlobs } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

/** Returns the facts and the history that `oci inspect` prints about an image. */
async function inspect(options: Parameters<typeof buildImage>[0]) {
  await using dir = await makeTempDir();
  const image = buildImage({ layers: [tar(file("a", "x"))], ...options });
  const store = await ContentStore.open(dir.path);
  await putBlobs(store, image);
  await store.tag("a.io/b:1", image.descriptor);
  const { code, stdout, stderr } = await runOci(["inspect", "a.io/b:1"], {
    env: { OCI_STORE: dir.path },
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [facts = "", , history = ""] = stdout.split("\n\n");
  const rows = facts.split("\n").map((line) => line.split(/ {2,}/));
  return { rows, history: history.trimEnd().split("\n"), size: image.layers[0]?.descriptor.size };
}

Deno.test("oci inspect prints every setting of an image, and those of docker", async () => {
  const { rows } = await inspect({
    config: {
      User: "bob",
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      Env: ["A=b"],
      Entrypoint: ["/x"],
      Cmd: ["y z"],
      Volumes: { "/v": {}, "/w": {} },
      WorkingDir: "/d",
      Labels: { l: "m" },
      StopSignal: "SIGQUIT",
      StopTimeout: 20,
      Healthcheck: {
        Test: ["CMD-SHELL", "curl -f localhost"],
        Interval: 30_000_000_000,
        Timeout: 1_500_000_000,
        Retries: 3,
      },
      Shell: ["/bin/bash", "-c"],
      OnBuild: ["RUN make", "COPY . /"],
    },
    configBlob: { author: "Ann" },
    manifest: { annotations: { n: "o" } },
  });

  assertEquals(rows.slice(rows.findIndex(([name]) => name === "Author")), [
    ["Author", "Ann"],
    rows.find(([name]) => name === "Size"),
    ["User", "bob"],
    ["Directory", "/d"],
    ["Entrypoint", '["/x"]'],
    ["Command", '["y z"]'],
    ["Ports", "80/tcp, 53/udp"],
    ["Volumes", "/v, /w"],
    ["Stops on", "SIGQUIT"],
    ["Variable", "A=b"],
    ["Label", "l=m"],
    ["Stops in", "20 s"],
    ["Health", '["CMD-SHELL","curl -f localhost"], every 30.0 s, timeout 1.5 s, retries 3'],
    ["Shell", '["/bin/bash","-c"]'],
    ["On build", "RUN make"],
    ["On build", "COPY . /"],
    ["Annotation", "n=o"],
  ]);
});

Deno.test("oci inspect accepts settings of docker that have other types", async () => {
  const { rows } = await inspect({
    config: { Healthcheck: "x", Shell: {}, OnBuild: null, StopTimeout: "1", Cmd: ["y"] },
  });

  assertEquals(rows.at(-1), ["Command", '["y"]']);
});

Deno.test.each([
  { check: {} },
  { check: { Test: [] } },
  { check: { Test: null, Retries: 0 } },
])("oci inspect shows no empty health check: $check", async ({ check }) => {
  const { rows } = await inspect({ config: { Healthcheck: check, Cmd: ["y"] } });

  assertEquals(rows.at(-1), ["Command", '["y"]']);
});

Deno.test("oci inspect accepts steps that are no text", async () => {
  const { rows } = await inspect({ config: { OnBuild: [{ toString: 1 }, null, "RUN make"] } });

  assertEquals(rows.slice(-3), [
    ["On build", '{"toString":1}'],
    ["On build", "null"],
    ["On build", "RUN make"],
  ]);
});

Deno.test("oci inspect prints the history with the sizes of layers", async () => {
  const { history, size } = await inspect({
    configBlob: {
      history: [
        { created: "2020-01-01T00:00:00Z", created_by: "ENV A=b", empty_layer: true },
        { created: "2020-01-01T00:00:00Z", created_by: "COPY a /" },
        { comment: "more", empty_layer: true },
      ],
    },
  });

  assertEquals(history.map((line) => line.trim().split(/ {2,}/)), [
    ["History"],
    ["2020-01-01T00:00:00Z", "0 B", "ENV A=b"],
    ["2020-01-01T00:00:00Z", `${size} B`, "COPY a /"],
    ["0 B", "more"],
  ]);
});

Deno.test("oci inspect --policy newer falls back to the store", async () => {
  await using dir = await makeTempDir();
  const image = buildImage({ layers: [tar(file("a", "x"))] });
  const store = await ContentStore.open(dir.path);
  await putBlobs(store, image);
  // Nothing listens on this port.
  const name = "127.0.0.1:1/b:1";
  await store.tag(name, image.descriptor);
  const run = (...args: readonly string[]) => {
    return runOci(["inspect", "--retries", "0", ...args, name], { env: { OCI_STORE: dir.path } });
  };

  const newer = await run("--policy", "newer");
  const raw = await run("--policy", "newer", "--raw");
  const always = await run("--policy", "always");

  assertEquals([newer.code, raw.code, always.code], [0, 0, 1]);
  assertStringIncludes(newer.stdout, image.descriptor.digest);
  assertEquals(raw.stdout, new TextDecoder().decode(image.bytes));
  for (const { stderr } of [newer, raw]) {
    assertStringIncludes(stderr, "warning: using the image in the store: ");
  }
});

Deno.test("oci inspect --raw --policy always does not read a damaged store", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.path);
  await putBlobs(store, buildImage({ layers: [tar(file("a", "x"))] }));
  await Deno.writeTextFile(dir.join("index.json"), "{");

  const { stderr } = await runOci(
    // Nothing listens on this port.
    ["inspect", "--retries", "0", "--raw", "--policy", "always", "127.0.0.1:1/b:1"],
    { env: { OCI_STORE: dir.path } },
  );

  assertStringIncludes(stderr, "connection refused");
});
