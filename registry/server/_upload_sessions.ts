import type { Digest } from "../../spec/digest.ts";
import type { BlobUpload } from "./registry_content.ts";

/** Thrown when another request is writing to the upload or has ended it. */
export class UploadTakenError extends Error {
  override readonly name = "UploadTakenError";
}

/** Time without new bytes after which a writing request waits for its client, in milliseconds. */
const QUIET_MS = 50;
/** Maximum time that a progress request waits for a writing one, in milliseconds. */
const MAX_SETTLE_MS = 5_000;
const SETTLE_PAUSE_MS = 10;

/** An upload across its requests. */
export class UploadSession {
  readonly id: string = crypto.randomUUID();
  readonly repository: string;
  readonly upload: BlobUpload;
  /** Time of the last request, in milliseconds of {@linkcode performance.now}. */
  lastUsed: number = performance.now();
  #tail: Promise<unknown> = Promise.resolve();
  #current: AbortController | undefined;
  #isOver = false;
  #isWriting = false;
  #lastWrite = 0;

  constructor(repository: string, upload: BlobUpload) {
    this.repository = repository;
    this.upload = upload;
  }

  /** Whether a request is writing to the upload. */
  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  /**
   * Runs a writing task after the previous one has ended. A client that retries has abandoned its
   * earlier request, even if the server has not noticed the dead connection yet, so the earlier
   * task is aborted.
   */
  async exclusive<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#current?.abort(new UploadTakenError());
    const own = new AbortController();
    this.#current = own;
    const result = this.#tail.then(() => {
      own.signal.throwIfAborted();
      if (this.#isOver) throw new UploadTakenError();
      return task(own.signal);
    });
    this.#tail = result.catch(() => {});
    try {
      return await result;
    } finally {
      this.lastUsed = performance.now();
      if (this.#current === own) this.#current = undefined;
    }
  }

  /** Appends bytes. */
  async write(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#isWriting = true;
    try {
      await this.upload.write(chunk);
    } finally {
      this.#isWriting = false;
      this.#lastWrite = performance.now();
    }
  }

  /**
   * Waits until a writing request has stored the bytes that it has received. A client that asks for
   * the progress after its connection broke would otherwise send these bytes again.
   */
  async settled(): Promise<void> {
    const end = performance.now() + MAX_SETTLE_MS;
    for (let now; this.isBusy && (now = performance.now()) < end;) {
      if (!this.#isWriting && now - this.#lastWrite > QUIET_MS) return;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_PAUSE_MS));
    }
  }

  /** Commits and ends the upload, even if the bytes are wrong. */
  async commit(digest: Digest): Promise<void> {
    this.#isOver = true;
    await this.upload.commit(digest);
  }

  /** Discards the bytes unless the upload has ended. Called by the writing task. */
  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.upload.cancel();
  }

  /** Aborts the writing task and discards the bytes. Called by anyone else. */
  async cancel(): Promise<void> {
    this.#current?.abort(new UploadTakenError());
    await this.#tail;
    await this.discard();
  }
}

/** Limits of {@linkcode UploadSessions}. */
export interface UploadLimits {
  /** Maximum number of unfinished uploads. */
  readonly maxUploads: number;
  /** Time without a request after which an unfinished upload is discarded. */
  readonly uploadTimeoutMs: number;
}

/** Minimum idle time after which an upload may be discarded to make room for another one. */
const REPLACEABLE_MS = 60_000;
const MIN_PAUSE_MS = 100;

/** The unfinished uploads of a registry. */
export class UploadSessions implements AsyncDisposable {
  readonly #limits: UploadLimits;
  readonly #sessions = new Map<string, UploadSession>();
  #beginning = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /**
   * Adds an upload, if there is room.
   *
   * @returns The session, or `undefined` if there are too many.
   */
  async begin(
    repository: string,
    begin: () => Promise<BlobUpload>,
  ): Promise<UploadSession | undefined> {
    this.#beginning++;
    try {
      const count = this.#sessions.size + this.#beginning;
      if (count > this.#limits.maxUploads && !await this.#makeRoom()) return undefined;
      const session = new UploadSession(repository, await begin());
      this.#sessions.set(session.id, session);
      this.#schedule();
      return session;
    } finally {
      this.#beginning--;
    }
  }

  /** Returns the session of a repository by ID. */
  get(repository: string, id: string): UploadSession | undefined {
    const session = this.#sessions.get(id);
    if (session?.repository !== repository) return undefined;
    session.lastUsed = performance.now();
    return session;
  }

  /** Removes a session whose upload has ended. */
  delete(session: UploadSession): void {
    this.#sessions.delete(session.id);
    if (this.#sessions.size === 0) this.#stopTimer();
  }

  /** Ends a session, and discards its bytes. */
  async cancel(session: UploadSession): Promise<void> {
    if (this.#sessions.get(session.id) !== session) return;
    this.delete(session);
    await session.cancel();
  }

  /** Discards every unfinished upload. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTimer();
    await Promise.all([...this.#sessions.values()].map((session) => this.cancel(session)));
  }

  /** Discards the upload that has been idle longest, unless it may still be in use. */
  async #makeRoom(): Promise<boolean> {
    const [oldest] = [...this.#sessions.values()].filter(({ isBusy }) => !isBusy)
      .sort((a, b) => a.lastUsed - b.lastUsed);
    if (oldest === undefined || performance.now() - oldest.lastUsed < REPLACEABLE_MS) return false;
    await this.cancel(oldest);
    return true;
  }

  async #expire(): Promise<void> {
    const now = performance.now();
    for (const session of this.#sessions.values()) {
      if (!session.isBusy && session.lastUsed + this.#limits.uploadTimeoutMs <= now) {
        // The content cleans up bytes that cannot be discarded here.
        await this.cancel(session).catch(() => {});
      }
    }
    this.#timer = undefined;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#sessions.size === 0) return;
    let oldest = Infinity;
    for (const { lastUsed } of this.#sessions.values()) oldest = Math.min(oldest, lastUsed);
    const left = oldest + this.#limits.uploadTimeoutMs - performance.now();
    // A busy upload has not expired; check again soon.
    this.#timer = setTimeout(() => this.#expire(), Math.max(left, MIN_PAUSE_MS));
    Deno.unrefTimer(this.#timer);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
