import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { peerTest, runPeer } from "../../_support/peers.ts";
import { ROOT } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Adds a working address, a network without machines, and names to this machine. */
const SETUP = `ip link set lo up && ip addr add 10.9.9.9/32 dev lo &&
if test -e /proc/net/if_inet6
then ip -6 addr add fd00::1/128 dev lo nodad && ip -6 route add fd00::/64 dev lo
fi &&
mount --bind "$1" /etc/hosts && shift && exec "$@"`;

/** Linux gives up on each IPv6 address after a second. */
const HOSTS = `127.0.0.1 localhost
${Array.from({ length: 16 }, (_, i) => `fd00::${i + 16} both.test`).join("\n")}
10.9.9.9 both.test
`;

peerTest({
  name: "RemoteClient tries other addresses of a name, even if permissions allow only the name",
  needs: ["unshare", "ip", "mount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("hosts"), HOSTS);
  const script = fromFileUrl(new URL("_two_addresses_call.ts", import.meta.url));

  const { stdout } = await runPeer("unshare", [
    ...["-n", "-m", "sh", "-c", SETUP, "sh", temp.join("hosts")],
    ...[Deno.execPath(), "run", "-A", "--no-check", `--config=${ROOT}/deno.json`, script],
  ], { inheritEnv: true });

  const digests = stdout.match(/^sha256:\w+$/gm) ?? [];
  assertEquals([digests.length, new Set(digests).size], [2, 1]);
});
