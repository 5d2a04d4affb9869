import type { Act } from "./act.ts";
import { DISK_ACT } from "./disks/disk_act.ts";
import { FAULT_ACTS } from "./faults/fault_acts.ts";
import { FILE_ACTS } from "./fuzz/file_acts.ts";
import { IMAGE_ACT } from "./fuzz/image_act.ts";
import { PARSER_ACTS } from "./fuzz/parser_acts.ts";
import { BUNDLE_CASES } from "./kill/bundle_cases.ts";
import { IMAGE_CASES } from "./kill/image_cases.ts";
import { killAct } from "./kill/kill_act.ts";
import { REGISTRY_CASES } from "./kill/registry_cases.ts";
import { SERVE_ACT } from "./kill/serve_act.ts";
import { CROWD_ACT } from "./race/crowd_act.ts";
import { PROCESS_RACE_ACT } from "./race/process_act.ts";
import { RACE_ACTS } from "./race/race_acts.ts";

/** All acts of the campaign. */
export const ACTS: readonly Act[] = [
  ...[...IMAGE_CASES, ...BUNDLE_CASES, ...REGISTRY_CASES].map(killAct),
  SERVE_ACT,
  CROWD_ACT,
  ...RACE_ACTS,
  PROCESS_RACE_ACT,
  ...FAULT_ACTS,
  DISK_ACT,
  ...PARSER_ACTS,
  ...FILE_ACTS,
  IMAGE_ACT,
];
