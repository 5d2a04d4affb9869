import type { Scene } from "./scene.ts";

/** An isolated scenario that ends in a check of what must always hold. */
export interface Act {
  /** Name for `--act`, the counts and the reports. */
  readonly name: string;
  /**
   * How often it is played, compared with other acts.
   *
   * @default {1}
   */
  readonly weight?: number | undefined;
  /** Reason why it cannot be played on this machine, such as `"needs root"`. */
  readonly reason?: string | undefined;
  /**
   * Time after which it counts as hanging, in milliseconds.
   *
   * @default {400_000}
   */
  readonly deadlineMs?: number | undefined;
  /** Plays it once. Throws an error if something that must always hold does not. */
  play(scene: Scene): Promise<void>;
}

/** Thrown by an act for something that must always hold and does not. */
export class Broken extends Error {
  override name = "Broken";
}
