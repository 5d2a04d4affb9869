import { isGranted } from "../../spec/granted.ts";
import { Grants } from "../permissions/grants.ts";

export interface DoctorFinding {
  /** Subject: the heading in the report. */
  readonly about: string;
  /** `ok`, `note` for a limitation, `problem`, or `unknown`. */
  readonly state: "ok" | "note" | "problem" | "unknown";
  readonly says: string;
  readonly advice?: string | undefined;
}

/** Results of a check: data for programs, and findings for people. */
export interface Diagnosis {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly findings: readonly DoctorFinding[];
}

/** A subject of the report. Its methods create findings. */
export class Subject {
  readonly about: string;

  constructor(about: string) {
    this.about = about;
  }

  ok(says: string): DoctorFinding {
    return { about: this.about, state: "ok", says };
  }

  note(says: string, advice?: string): DoctorFinding {
    return { about: this.about, state: "note", says, advice };
  }

  problem(says: string, advice?: string): DoctorFinding {
    return { about: this.about, state: "problem", says, advice };
  }

  unknown(says: string, advice: string): DoctorFinding {
    return { about: this.about, state: "unknown", says, advice };
  }

  /** Returns the finding of a check that lacks permissions. */
  ungranted(what: string, flags: readonly string[]): DoctorFinding {
    return this.unknown(what, `grant ${flags.join(" ")}`);
  }
}

/** A permission for a value, such as a path. */
export type Need =
  | Deno.ReadPermissionDescriptor
  | Deno.WritePermissionDescriptor
  | Deno.EnvPermissionDescriptor
  | Deno.RunPermissionDescriptor
  | Deno.SysPermissionDescriptor;

/** Returns the flags for missing permissions, without prompting for any. */
export function missingFlags(needs: readonly Need[]): readonly string[] {
  const grants = new Grants();
  for (const need of needs) {
    if (!isGranted(need)) grants.add(need.name, valueOf(need));
  }
  return grants.flags();
}

/** Returns the flags for variables that cannot be read. `USERPROFILE` only stands in for `HOME`. */
export function missingVariables(variables: readonly string[]): readonly string[] {
  const needed = variables.filter((variable) => variable !== "USERPROFILE");
  return missingFlags(needed.map((variable) => ({ name: "env", variable })));
}

function valueOf(need: Need): string {
  if (need.name === "env") return need.variable ?? "";
  if (need.name === "sys") return need.kind ?? "";
  return String((need.name === "run" ? need.command : need.path) ?? "");
}

/** Formats findings as text, with a heading for each subject. */
export function formatFindings(findings: readonly DoctorFinding[]): readonly string[] {
  return [...Map.groupBy(findings, ({ about }) => about)].flatMap(([about, group]) => [
    about,
    ...group.map(({ state, says, advice }) => {
      const line = advice === undefined ? says : `${says}; ${advice}`;
      return `  ${state.padEnd(7)}  ${line}`;
    }),
  ]);
}
