import type { FaultyRegistry } from "../../tests/_support/faulty_registry.ts";
import type { ProcessResult } from "../../tests/_support/process.ts";
import type { Scene } from "../scene.ts";

/** Moment at which a command is killed. */
export interface KillScene {
  readonly scene: Scene;
  /** Registry with the images of the campaign. */
  readonly registry: FaultyRegistry;
  /** Returns the reference of an image in the registry. */
  readonly reference: (number: number) => string;
}

/** A command that is killed, and what must be true when it has run once more. */
export interface KillPlan {
  readonly args: readonly string[];
  readonly stdin?: Uint8Array | undefined;
  /**
   * Exit codes that are right for the second run: a command that removes something may have done so
   * before it was killed.
   *
   * @default {[0]}
   */
  readonly codes?: readonly number[] | undefined;
  /** Checks what must be gone after an interruption that the command has handled. */
  readonly checkInterrupted?: (() => Promise<void>) | undefined;
  /** Called with the result of the second run, to check what it did. */
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
