import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { peerTest, runPeer } from "../../_support/peers.ts";
import { ROOT } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Adds addresses and names to this machine, in separate namespaces. */
const SETUP = `ip link set lo up &&
ip addr add 169.254.169.254/32 dev lo && ip addr add 10.9.9.9/32 dev lo &&
ip addr add 100.100.100.200/32 dev lo && ip addr add fd00:ec2::254/128 dev lo nodad &&
mount --bind "$1" /etc/hosts && shift && exec "$@"`;

const HOSTS = `127.0.0.1 localhost
169.254.169.254 metadata.test
100.100.100.200 alibaba.test
fd00:ec2::254 ec2.test
169.254.169.254 both.test
10.9.9.9 both.test
10.9.9.9 changing.test
`;

peerTest({
  name: "RemoteClient never connects to an address of cloud metadata, whatever names it",
  needs: ["unshare", "ip", "mount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("hosts"), HOSTS);
  const script = fromFileUrl(new URL("_link_local_calls.ts", import.meta.url));

  const { stdout } = await runPeer("unshare", [
    ...["-n", "-m", "sh", "-c", SETUP, "sh", temp.join("hosts")],
    ...[Deno.execPath(), "run", "-A", "--no-check", `--config=${ROOT}/deno.json`, script],
    temp.join("hosts"),
  ], { inheritEnv: true });

  const { connections, others, outcomes, tls } = JSON.parse(stdout) as {
    tls: readonly boolean[];
    connections: number;
    others: number;
    outcomes: Record<string, string>;
  };
  assertEquals(connections, 0, stdout);
  assertEquals(tls, [true, false, false]);
  const { "both.test": both, ...refused } = outcomes;
  assertEquals(Object.keys(refused).length, 12);
  for (const [name, outcome] of Object.entries(refused)) {
    assert(
      /an address at which clouds serve credentials/.test(outcome),
      `${name}: ${outcome}`,
    );
  }
  // Another address of the same name is used.
  assert(both?.includes("404") && others > 0, stdout);
});
