import type { Scene } from "./scene.ts";

/** An isolated scenario that ends with a check of invariants. */
export interface Act {
  /** Name for `--act`, the counts and the reports. */
  readonly name: string;
  /**
   * How often it is played, relative to other acts.
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
  /** Plays it once. Throws an error if an invariant does not hold. */
  play(scene: Scene): Promise<void>;
}
