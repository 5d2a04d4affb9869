import { concat, type Content, toUint8Array } from "./bytes.ts";
import { GNU_MAGIC, padded } from "./tar_block.ts";
import { entry, type EntryOptions } from "./tar_entry.ts";

/** A run of bytes of a sparse file. */
export interface SparseRun {
  readonly offset: number;
  readonly data: Content;
}

/** The four ways in which archives write a file with holes. */
export type SparseFormat = "gnu" | "pax-0.0" | "pax-0.1" | "pax-1.0";

/** A file of `size` bytes that are zero except for the runs. */
export function sparse(
  name: string,
  size: number,
  runs: readonly SparseRun[],
  format: SparseFormat,
  options: EntryOptions = {},
): Uint8Array<ArrayBuffer> {
  const bodies = runs.map(({ data }) => toUint8Array(data));
  const map = runs.map(({ offset }, i) => [offset, bodies[i]?.length ?? 0] as const);
  const [offset = 0, length = 0] = map.at(-1) ?? [];
  // GNU tar ends a map whose file ends in a hole with an empty run.
  if (offset + length < size) map.push([size, 0]);
  const body = concat(...bodies);
  if (format === "gnu") return gnuSparse(name, size, map, body, options);
  const records = format === "pax-0.0"
    ? [
      ["GNU.sparse.size", String(size)],
      ["GNU.sparse.numblocks", String(map.length)],
      ...map.flatMap(([offset, length]) => [
        ["GNU.sparse.offset", String(offset)],
        ["GNU.sparse.numbytes", String(length)],
      ]),
    ]
    : format === "pax-0.1"
    ? [
      ["GNU.sparse.size", String(size)],
      ["GNU.sparse.numblocks", String(map.length)],
      ["GNU.sparse.name", name],
      ["GNU.sparse.map", map.flat().join(",")],
    ]
    : [
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", name],
      ["GNU.sparse.realsize", String(size)],
    ];
  const table = format === "pax-1.0" ? padded(`${[map.length, ...map.flat()].join("\n")}\n`) : "";
  const content = concat(toUint8Array(table), body);
  const stored = format === "pax-0.0" ? name : `GNUSparseFile.0/${name}`;
  return concat(
    entry(
      { name: stored, size: content.length, typeflag: "0", mode: 0o644 },
      { ...options, pax: records as [string, string][] },
    ),
    padded(content),
  );
}

function gnuSparse(
  name: string,
  size: number,
  map: readonly (readonly [number, number])[],
  body: Uint8Array,
  options: EntryOptions,
): Uint8Array<ArrayBuffer> {
  const octal = (value: number) => toUint8Array(`${value.toString(8).padStart(11, "0")}\0`);
  const runs = map.map((run) => concat(...run.map(octal)));
  const extended: Uint8Array[] = [];
  for (let at = 4; at < runs.length; at += 21) {
    const block = new Uint8Array(512);
    block.set(concat(...runs.slice(at, at + 21)));
    if (at + 21 < runs.length) block[504] = 1;
    extended.push(block);
  }
  const block = entry(
    {
      name,
      size: body.length,
      typeflag: "S",
      mode: 0o644,
      magic: GNU_MAGIC,
      patch: [
        [386, concat(...runs.slice(0, 4))],
        [482, Uint8Array.of(runs.length > 4 ? 1 : 0)],
        [483, octal(size)],
      ],
    },
    { ...options, dialect: "gnu" },
  );
  return concat(block, ...extended, padded(body));
}
