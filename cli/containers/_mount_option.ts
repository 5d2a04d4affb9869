import { parseQuantity } from "../../spec/options/quantity.ts";
import { resolve } from "../../spec/paths.ts";
import type { Mount } from "../../spec/runtime/runtime_spec.ts";

/** Type of an anonymous volume. */
export const VOLUME = "volume";

/**
 * Parses a mount in the forms of `docker run`: `SOURCE:TARGET[:OPTIONS]`, `TARGET` for an
 * anonymous volume, or pairs such as `type=tmpfs,target=/tmp,tmpfs-size=1m`. A pair that contains a
 * comma needs double quotes.
 *
 * @throws {SyntaxError} If the text has neither form.
 */
export function parseMount(text: string): Mount {
  return /^"?[a-z-]+(=|,|$)/.test(text) ? parsePairs(text) : parseColons(text);
}

/** A name that docker and podman take for a volume rather than a path. */
const VOLUME_NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const PROPAGATION_REGEXP = /^r?(private|shared|slave)$/;
/**
 * Options without effect: containers have no SELinux label, and only macOS caches mounts.
 */
const IDLE_REGEXP = /^([zZ]|cached|consistent|delegated)$/;

function parseColons(text: string): Mount {
  if (text.startsWith("/") && !text.includes(":")) return volume(text);
  const [source = "", target = "", list = "rw", ...rest] = text.split(":");
  const options = list.split(",");
  const accesses = options.filter((option) => option === "ro" || option === "rw");
  const propagations = options.filter((option) => PROPAGATION_REGEXP.test(option));
  const idle = options.filter((option) => IDLE_REGEXP.test(option));
  const isKnown = accesses.length + propagations.length + idle.length === options.length;
  const isSingle = accesses.length <= 1 && propagations.length <= 1;
  if (source === "" || rest.length > 0 || !isKnown || !isSingle) {
    throw new SyntaxError("it must be SOURCE:TARGET or SOURCE:TARGET:ro");
  }
  if (VOLUME_NAME_REGEXP.test(source) && target !== "") refuseName(source);
  return bindMount(source, target, accesses[0] === "ro", propagations[0]);
}

function refuseName(source: string): never {
  throw new SyntaxError(
    `${JSON.stringify(source)} is the name of a volume, and there are no named volumes: ` +
      `write "./${source}" for a directory here`,
  );
}

type Pairs = ReadonlyMap<string, string | undefined>;

function parsePairs(text: string): Mount {
  const pairs = new Map<string, string | undefined>();
  for (const [name, value] of splitPairs(text)) {
    if (!NAMES.has(name)) throw new SyntaxError(`unknown setting ${JSON.stringify(name)}`);
    if (pairs.has(name)) throw new SyntaxError(`it sets "${name}" twice`);
    pairs.set(name, value);
  }
  const isReadOnly = parseFlag(pairs, "readonly");
  const type = pairs.get("type") ?? "bind";
  const known = TYPES.get(type);
  if (known === undefined) throw new SyntaxError('the type must be "bind", "tmpfs" or "volume"');
  const odd = OWN_NAMES.find((name) => pairs.has(name) && !known.names.includes(name));
  if (odd !== undefined) throw new SyntaxError(`a mount of type ${type} has no "${odd}"`);
  return known.make(pairs, isReadOnly);
}

function pairedBind(pairs: Pairs, isReadOnly: boolean): Mount {
  const propagation = pairs.get("bind-propagation") ?? "rprivate";
  if (!PROPAGATION_REGEXP.test(propagation)) {
    throw new SyntaxError('"bind-propagation" must be private, shared, slave, or one with "r"');
  }
  return bindMount(pairs.get("source"), pairs.get("target"), isReadOnly, propagation);
}

function pairedVolume(pairs: Pairs, isReadOnly: boolean): Mount {
  const source = pairs.get("source");
  if (source) refuseName(source);
  if (isReadOnly) throw new SyntaxError("a volume without a name cannot be read-only");
  return volume(pairs.get("target"));
}

function pairedTmpfs(pairs: Pairs, isReadOnly: boolean): Mount {
  const size = pairs.get("tmpfs-size");
  return {
    destination: checkTarget(pairs.get("target")),
    type: "tmpfs",
    source: "tmpfs",
    options: [
      "nosuid",
      "nodev",
      ...isReadOnly ? ["ro"] : [],
      ...size === undefined ? [] : [`size=${parseSize(size)}`],
      `mode=${parseMode(pairs.get("tmpfs-mode") ?? "1777")}`,
    ],
  };
}

const ALIASES = new Map([
  ["src", "source"],
  ["dst", "target"],
  ["destination", "target"],
  ["ro", "readonly"],
]);
/** Types of mounts, with the settings that not all types have. */
const TYPES = new Map([
  ["bind", {
    names: ["bind-propagation", "consistency", "relabel", "source"],
    make: pairedBind,
  }],
  ["tmpfs", { names: ["tmpfs-size", "tmpfs-mode"], make: pairedTmpfs }],
  [VOLUME, { names: ["source"], make: pairedVolume }],
]);
const OWN_NAMES = [...TYPES.values()].flatMap(({ names }) => names);
const NAMES = new Set(["type", "target", "readonly", ...OWN_NAMES]);

/** Splits pairs at commas outside double quotes; a doubled quote stands for one. */
function splitPairs(text: string): readonly (readonly [name: string, value?: string])[] {
  if (!/^([^",]*|"([^"]|"")*")(,([^",]*|"([^"]|"")*"))*$/s.test(text)) {
    throw new SyntaxError("quotes must enclose whole pairs");
  }
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/gs)].map(([, quoted, plain]) => {
    const pair = quoted?.replaceAll('""', '"') ?? plain ?? "";
    const at = pair.indexOf("=");
    const name = at < 0 ? pair : pair.slice(0, at);
    const known = ALIASES.get(name) ?? name;
    return at < 0 ? [known] : [known, pair.slice(at + 1)];
  });
}

function parseFlag(pairs: Pairs, name: string): boolean {
  const value = pairs.get(name) ?? String(pairs.has(name));
  if (/^(true|1|false|0)$/.test(value)) return value === "true" || value === "1";
  throw new SyntaxError(`"${name}" must be true or false`);
}

/** Returns a size in the kernel's form, without Kubernetes suffixes. */
function parseSize(text: string): string {
  if (/^[0-9]+[kmg%]?$/i.test(text)) return text;
  if (/^[0-9.]+[KMGT]i$/.test(text)) return String(parseQuantity(text).value);
  throw new SyntaxError(
    '"tmpfs-size" must be a number of bytes, or one with k, m, g, Ki, Mi or Gi',
  );
}

function parseMode(text: string): string {
  if (/^[0-7]{1,4}$/.test(text)) return text;
  throw new SyntaxError('"tmpfs-mode" must have up to four octal digits');
}

function bindMount(
  source: string | undefined,
  target: string | undefined,
  isReadOnly: boolean,
  propagation = "rprivate",
): Mount {
  if (!source) throw new SyntaxError("it has no source");
  return {
    destination: checkTarget(target),
    type: "bind",
    source: resolve(source),
    options: ["rbind", propagation, isReadOnly ? "ro" : "rw"],
  };
}

function volume(target: string | undefined): Mount {
  return { destination: checkTarget(target), type: VOLUME };
}

function checkTarget(target: string | undefined): string {
  if (!target?.startsWith("/")) {
    throw new SyntaxError("its target must be an absolute path in the container");
  }
  if (/^[/.]*$/.test(target)) throw new SyntaxError("its target must be below the root");
  return target;
}
