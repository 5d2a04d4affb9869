import { ATTACKS } from "./attacks.ts";
import { AUFS } from "./aufs.ts";
import type { LayerCase } from "./case.ts";
import { DIALECTS } from "./dialects.ts";
import { LINKS } from "./links.ts";
import { METADATA } from "./metadata.ts";
import { NAMES } from "./names.ts";
import { OVERLAYS } from "./overlays.ts";
import { REPLACEMENT } from "./replacement.ts";
import { WHITEOUTS } from "./whiteouts.ts";

export type { LayerCase } from "./case.ts";

/** Every case, by subject. */
export const CORPUS: Readonly<Record<string, readonly LayerCase[]>> = {
  names: NAMES,
  replacement: REPLACEMENT,
  links: LINKS,
  whiteouts: WHITEOUTS,
  aufs: AUFS,
  metadata: METADATA,
  dialects: DIALECTS,
  attacks: ATTACKS,
  overlays: OVERLAYS,
};
