import { resolve } from "node:path";
import type { Mount } from "../spec/mod.ts";

/**
 * Parses a mount as `docker run` takes it: `SOURCE:TARGET[:ro]`, or pairs such as
 * `type=tmpfs,target=/tmp,tmpfs-size=1m`.
 *
 * @throws {SyntaxError} If it is neither; the message says what is missing.
 */
export function parseMount(text: string): Mount {
  return /^[a-z-]+(=|,|$)/.test(text) ? parsePairs(text) : parseColons(text);
}

function parseColons(text: string): Mount {
  const [source = "", target = "", flag = "rw", ...rest] = text.split(":");
  if (source === "" || rest.length > 0 || !/^(ro|rw)$/.test(flag)) {
    throw new SyntaxError("it must be SOURCE:TARGET or SOURCE:TARGET:ro");
  }
  return bindMount(source, target, flag === "ro");
}

function parsePairs(text: string): Mount {
  const pairs = new Map(
    text.split(",").map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return [ALIASES[name] ?? name, value.join("=")];
    }),
  );
  const odd = [...pairs.keys()].find((name) => !NAMES.has(name));
  if (odd !== undefined) throw new SyntaxError(`there is no setting ${JSON.stringify(odd)}`);
  const target = pairs.get("target") ?? "";
  const isReadOnly = pairs.has("readonly") && pairs.get("readonly") !== "false";
  const type = pairs.get("type") ?? "bind";
  if (type === "bind") return bindMount(pairs.get("source") ?? "", target, isReadOnly);
  if (type !== "tmpfs") throw new SyntaxError('the type must be "bind" or "tmpfs"');
  const size = pairs.get("tmpfs-size");
  const mode = pairs.get("tmpfs-mode");
  return {
    destination: checkTarget(target),
    type: "tmpfs",
    source: "tmpfs",
    options: [
      "nosuid",
      "nodev",
      ...isReadOnly ? ["ro"] : [],
      ...size === undefined ? [] : [`size=${size}`],
      `mode=${mode ?? "1777"}`,
    ],
  };
}

const ALIASES: Readonly<Record<string, string>> = {
  src: "source",
  dst: "target",
  destination: "target",
  ro: "readonly",
};
const NAMES = new Set(["type", "source", "target", "readonly", "tmpfs-size", "tmpfs-mode"]);

function bindMount(source: string, target: string, isReadOnly: boolean): Mount {
  if (source === "") throw new SyntaxError("it has no source");
  return {
    destination: checkTarget(target),
    type: "bind",
    source: resolve(source),
    options: ["rbind", "rprivate", isReadOnly ? "ro" : "rw"],
  };
}

function checkTarget(target: string): string {
  if (target.startsWith("/")) return target;
  throw new SyntaxError("its target must be an absolute path in the container");
}
