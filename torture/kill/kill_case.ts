import type { FaultyRegistry } from "../../tests/_support/faulty_registry.ts";
import type { ProcessResult } from "../../tests/_support/process.ts";
import type { Scene } from "../scene.ts";

/** Scene in which a command is killed. */
export interface KillScene {
  readonly scene: Scene;
  /** Registry with the images of the campaign. */
  readonly registry: FaultyRegistry;
  /** Returns the reference of an image in the registry. */
  readonly reference: (number: number) => string;
}

/** A command to kill, and the checks after that. */
export interface KillPlan {
  readonly args: readonly string[];
  readonly stdin?: Uint8Array | undefined;
  /**
   * Expected exit codes of the last run. A command that removes something may have done so before
   * it was killed.
   *
   * @default {[0]}
   */
  readonly codes?: readonly number[] | undefined;
  /** Checks the leftovers of a command that has handled the signal. */
  readonly checkInterrupted?: (() => Promise<void>) | undefined;
  /** Checks the result of the last run, which is not killed. */
  readonly check: (result: ProcessResult) => Promise<void>;
}

/** A command to kill. */
export interface KillCase {
  /** Name of the command. */
  readonly command: string;
  readonly reason?: string | undefined;
  /** Prepares a scene for the command. */
  readonly prepare: (place: KillScene) => Promise<KillPlan>;
}
