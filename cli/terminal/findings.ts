import { printable } from "./format.ts";

/** What was found out about one thing. */
export interface Finding {
  /** What it is about, as the heading of its part of the report. */
  readonly about: string;
  /** `ok`, `note` for what does less, `problem` for what is in the way; or `unknown`. */
  readonly state: "ok" | "note" | "problem" | "unknown";
  /** What is so. */
  readonly says: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** What was found out about several things: data for programs, and findings for people. */
export interface Diagnosis {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly findings: readonly Finding[];
}

/** What is not known, as permissions are missing. */
export function unknownFinding(about: string, what: string, flags: readonly string[]): Finding {
  return { about, state: "unknown", says: what, advice: `grant ${flags.join(" ")}` };
}

/** The flags that grant what is not granted. The user is asked for nothing. */
export function missingFlags(needs: readonly Deno.PermissionDescriptor[]): readonly string[] {
  const values = new Map<string, Set<string>>();
  for (const need of needs) {
    if (isGranted(need)) continue;
    const list = values.get(need.name) ?? new Set();
    values.set(need.name, list.add(valueOf(need)));
  }
  return [...values].map(([name, list]) => {
    // No flag has a way to write a comma in a value.
    const isWhole = [...list].some((value) => value === "" || value.includes(","));
    return isWhole ? `--allow-${name}` : `--allow-${name}=${[...list].join(",")}`;
  });
}

/** Whether a permission is granted, without asking for it. */
export function isGranted(need: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(need).state === "granted";
}

function valueOf(need: Deno.PermissionDescriptor): string {
  if (need.name === "env") return need.variable ?? "";
  if (need.name === "run") return String(need.command ?? "");
  if (need.name === "sys") return need.kind ?? "";
  return "path" in need ? String(need.path ?? "") : "";
}

/** Findings as text: a heading for each thing that they are about. */
export function formatFindings(findings: readonly Finding[]): readonly string[] {
  return [...Map.groupBy(findings, ({ about }) => about)].flatMap(([about, group]) => [
    about,
    ...group.map(({ state, says, advice }) => {
      const line = advice === undefined ? says : `${says}; ${advice}`;
      return `  ${state.padEnd(7)}  ${printable(line)}`;
    }),
  ]);
}
