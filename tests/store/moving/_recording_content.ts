import type { Descriptor } from "../../../spec/mod.ts";
import { MemoryContent } from "../../../store/mod.ts";

/** A target that records what is pushed to it, in order. */
export class RecordingContent extends MemoryContent {
  readonly pushed: Descriptor[] = [];
  readonly asked: Descriptor[] = [];

  override exists(descriptor: Descriptor): Promise<boolean> {
    this.asked.push(descriptor);
    return super.exists(descriptor);
  }

  override async push(...args: Parameters<MemoryContent["push"]>): Promise<void> {
    await super.push(...args);
    this.pushed.push(args[0]);
  }
}
