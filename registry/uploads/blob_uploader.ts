import { isDigest } from "../../spec/digest.ts";
import type { OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import { RegistryError } from "../errors.ts";
import { eitherSignal } from "../tasks/abortable.ts";
import { AttemptProgress } from "../transport/attempt_progress.ts";
import type { RequestBody } from "../transport/http_request.ts";
import { isTransient, Retry } from "../transport/retry.ts";
import { FirstBody, UploadBody } from "./_upload_body.ts";
import { chooseRecovery, type UploadState } from "./_upload_recovery.ts";
import {
  beginUpload,
  finishUrl,
  type ProgressRequest,
  readProgress,
  readSession,
  settledProgress,
  unusableError,
  type UploadContext,
  UPLOADS,
  type UploadSession,
} from "./upload_session.ts";

/** Maximum size of a blob that is sent with the final request of its upload. */
const SMALL_BYTES = 2 * 1024 * 1024;
/** Size of a chunk, unless the registry requires larger ones; one is held in memory. */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Minimum size of a chunk after a server has rejected larger ones. */
const MIN_CHUNK_BYTES = 256 * 1024;
/** Divisor of the size of a chunk after a server has rejected one. */
const SHRINKING = 4;
/** Maximum size of a chunk that a registry may require. */
const MAX_CHUNK_BYTES = 128 * 1024 * 1024;
/** Maximum number of restarts without progress after the registry has lost an upload. */
const MAX_RESTARTS = 3;
/** Maximum number of consecutive responses that confirm only part of the bytes. */
const MAX_PARTS = 3;
/** Statuses of a completed upload; some registries do not return 201. */
const FINISHED = [201, 202, 204];

/**
 * The upload of a blob: with one `POST` and one `PUT` if it is small, otherwise with `PATCH` in
 * between, whose body is streamed. Resumes an interrupted upload at the offset that the registry
 * reports.
 */
export class BlobUploader {
  readonly #descriptor: Descriptor;
  readonly #open: OpenContent;
  readonly #context: UploadContext;
  readonly #retry: Retry;
  #session: UploadSession | undefined;
  readonly #state: UploadState = {
    isFinishing: false,
    failedFinishes: 0,
    hasParts: false,
    isResumed: false,
    isChunked: false,
    isWhole: false,
    again: false,
    restarts: 0,
  };
  #chunkBytes = CHUNK_BYTES;
  /** Whether the registry has confirmed no byte of the last body. */
  #isUnconfirmed = false;
  #sourceFailure: { readonly error: unknown } | undefined;
  #parts = 0;
  /** Largest offset of any session: bytes that are sent again are no progress. */
  #farthest = 0;
  readonly #first = new FirstBody();
  readonly #attemptProgress = new AttemptProgress();

  /** @param session Session, if the upload has already begun. */
  constructor(
    descriptor: Descriptor,
    open: OpenContent,
    context: UploadContext,
    session: UploadSession | undefined,
  ) {
    this.#descriptor = descriptor;
    this.#open = open;
    this.#context = context;
    this.#session = session;
    this.#retry = new Retry(context.registry.policy, {
      signal: context.signal,
      onWarning: context.onWarning,
      onRetry: (error) => context.onRetry?.(error),
    });
  }

  async run(): Promise<void> {
    using _first = this.#first;
    while (!await this.#attempt());
  }

  /** Returns whether the registry has the blob, or throws if another attempt is pointless. */
  async #attempt(): Promise<boolean> {
    this.#state.isFinishing = false;
    try {
      this.#session ??= await this.#begin();
      await this.#send(this.#session);
      return true;
    } catch (error) {
      // A stream holds a connection, which the next attempt may need.
      if (this.#descriptor.size > SMALL_BYTES) this.#first[Symbol.dispose]();
      this.#context.signal?.throwIfAborted();
      return await this.#recover(error);
    }
  }

  async #begin(): Promise<UploadSession> {
    this.#state.isResumed = false;
    this.#state.hasParts = false;
    this.#state.failedFinishes = 0;
    const { size } = this.#descriptor;
    const begun = beginUpload(this.#context, this.#retry.attempt);
    // After the request above, since both may need a connection to the same registry.
    if (size > SMALL_BYTES && !this.#state.isChunked) {
      this.#first.open((dropped) => this.#body(0, dropped).source());
    } else if (size > 0 && size <= Math.min(this.#smallBytes, MAX_CHUNK_BYTES)) {
      this.#first.open((dropped) => this.#body(0, dropped).chunk(size));
    }
    return await begun;
  }

  /** Maximum size of a blob that is sent with the final request. */
  get #smallBytes(): number {
    if (this.#state.isWhole) return Infinity;
    return this.#state.isChunked ? Math.min(SMALL_BYTES, this.#chunkBytes) : SMALL_BYTES;
  }

  /** Sends the missing bytes, and completes the upload. */
  async #send(session: UploadSession): Promise<void> {
    const { size } = this.#descriptor;
    let current = session;
    // Deno repeats a PUT with a buffered body when its connection breaks, so only a body that
    // starts at offset 0 may be buffered.
    while (size - current.offset > (current.offset === 0 ? this.#smallBytes : 0)) {
      this.#session = current = await this.#sendPart(current);
    }
    await this.#finish(current);
  }

  /** Sends the next chunk, or else all missing bytes as a stream. */
  async #sendPart(session: UploadSession): Promise<UploadSession> {
    const { size } = this.#descriptor;
    const { offset, minChunkBytes } = session;
    const isChunk = this.#state.isChunked;
    if (isChunk && minChunkBytes > MAX_CHUNK_BYTES) {
      const state = `requires chunks of at least ${minChunkBytes} bytes`;
      const limit = `more than the limit of ${MAX_CHUNK_BYTES}`;
      throw unusableError(session, this.#context, `${state}, ${limit}`);
    }
    const length = isChunk ? Math.max(this.#chunkBytes, minChunkBytes) : Infinity;
    const end = Math.min(size, offset + length);
    const headers: Record<string, string> = { "content-type": "application/octet-stream" };
    if (isChunk || offset > 0) headers["content-range"] = `${offset}-${end - 1}`;
    this.#state.hasParts ||= offset > 0;
    this.#attemptProgress.begin();
    using response = await this.#context.registry.sendOnce({
      ...this.#context,
      method: "PATCH",
      path: UPLOADS,
      url: session.url,
      headers,
      body: () => {
        if (isChunk) return this.#body(offset).chunk(end - offset);
        return this.#first.take(offset) ?? this.#body(offset).source();
      },
      accept: FINISHED,
    }, this.#retry.attempt);
    const next = readSession(response, session, this.#context.registry);
    if (isChunk && this.#advance(next.offset) > 0) this.#noteProgress();
    return { ...next, offset: this.#confirmed(next, offset, end) };
  }

  /**
   * Returns the offset after the bytes from `start` to `end` were accepted. Some registries report
   * no progress, or more bytes than were sent.
   */
  #confirmed(session: UploadSession, start: number, end: number): number {
    const { offset } = session;
    this.#isUnconfirmed = offset <= start;
    if (offset <= start || offset >= end) {
      this.#parts = 0;
      return end;
    }
    if (++this.#parts > MAX_PARTS) {
      const [kept, sent] = [offset - start, end - start];
      const state = `repeatedly confirms only ${kept} of ${sent} bytes`;
      throw unusableError(session, this.#context, state);
    }
    // With chunks, fewer bytes are sent twice.
    this.#state.isChunked = true;
    return offset;
  }

  /** Completes the upload, with the bytes of a small blob or without a body. */
  async #finish(session: UploadSession): Promise<void> {
    const { digest, size } = this.#descriptor;
    const rest = size - session.offset;
    this.#state.isFinishing = true;
    this.#attemptProgress.begin();
    using response = await this.#context.registry.sendOnce({
      ...this.#context,
      method: "PUT",
      path: UPLOADS,
      url: finishUrl(session, digest),
      headers: { "content-type": "application/octet-stream" },
      body: () => this.#rest(session.offset, rest),
      accept: FINISHED,
    }, this.#retry.attempt);
    const stored = response.headers.get("docker-content-digest") ?? digest;
    // A registry may name a blob by its preferred algorithm, and serve it under both digests.
    const isOther = isDigest(stored) && stored !== digest &&
      digestAlgorithm(stored) === digestAlgorithm(digest);
    if (isOther) throw unusableError(session, this.#context, `stored it as ${stored}`);
    this.#context.onBytes?.(size);
  }

  /** Returns the bytes for the final request. They are read once, unless they are wrong. */
  async #rest(offset: number, length: number): Promise<RequestBody> {
    if (length === 0) return new Uint8Array();
    const first = this.#first.take(offset);
    if (first !== undefined) return await first;
    const body = this.#body(offset);
    const max = this.#state.isChunked ? MAX_CHUNK_BYTES : SMALL_BYTES;
    return await (length > max ? body.source() : body.chunk(length));
  }

  #body(offset: number, dropped?: AbortSignal): UploadBody {
    const { signal, onBytes, onRetry } = this.#context;
    return new UploadBody(this.#descriptor, this.#open, {
      offset,
      again: this.#state.again,
      signal: eitherSignal(signal, dropped),
      onBytes: (bytes) => {
        this.#attemptProgress.moved();
        onBytes?.(bytes);
      },
      onRetry,
      onFailure: (error) => this.#sourceFailure = { error },
    });
  }

  /** Records the offset that the registry reports, and returns the number of new bytes. */
  #advance(offset: number): number {
    const gained = Math.max(0, offset - this.#farthest);
    this.#farthest += gained;
    return gained;
  }

  /** Resets the failures after progress. */
  #noteProgress(): void {
    this.#state.restarts = 0;
    this.#retry.progress();
  }

  /**
   * Prepares another attempt, or throws `error`.
   *
   * @returns Whether the registry has the blob because only the response was lost.
   */
  async #recover(error: unknown): Promise<boolean> {
    // The source has already retried its own failures.
    if (this.#sourceFailure !== undefined) throw this.#sourceFailure.error;
    const session = this.#session;
    if (session === undefined) {
      await this.#retry.after(error);
      return false;
    }
    const status = error instanceof RegistryError ? error.status : undefined;
    if (this.#state.isFinishing && status === 404 && await this.#context.exists()) return true;
    if (this.#state.isFinishing && status === 500) this.#state.failedFinishes++;
    const recovery = chooseRecovery(error, this.#state, this.#canShrink);
    if (recovery === "give-up") throw error;
    if (recovery === "resume") return await this.#resume(error, session);
    if (recovery === "send-chunks" || recovery === "shrink-chunks") {
      if (recovery === "shrink-chunks") this.#chunkBytes /= SHRINKING;
      this.#state.isChunked = true;
      this.#session = await readProgress(session, this.#progressRequest);
      return false;
    }
    if (++this.#state.restarts > MAX_RESTARTS) throw error;
    if (recovery === "check-offset") {
      const now = await settledProgress(session, this.#progressRequest);
      const isStuck = now?.offset === session.offset;
      if (!isStuck || !this.#state.isChunked) {
        this.#state.isChunked ||= isStuck;
        this.#session = now;
        return false;
      }
    }
    // Some servers ignore bodies without a length, which `fetch` sends.
    const needsChunks = this.#state.isChunked || this.#isUnconfirmed;
    this.#state.isChunked = needsChunks && (recovery === "restart" || recovery === "reread");
    this.#state.isWhole ||= recovery === "restart-whole";
    this.#state.again ||= recovery === "reread";
    this.#session = undefined;
    this.#context.onRetry?.(error);
    this.#context.onBytes?.(0);
    return false;
  }

  /** Whether smaller chunks may pass a limit for bodies. */
  get #canShrink(): boolean {
    const rest = this.#descriptor.size - (this.#session?.offset ?? 0);
    const sent = this.#state.isFinishing ? rest : Math.min(rest, this.#chunkBytes);
    const next = this.#chunkBytes / SHRINKING;
    return next >= MIN_CHUNK_BYTES && sent > next;
  }

  /**
   * Pauses, then resumes at the offset that the registry reports, since only the registry knows how
   * many bytes have arrived.
   */
  async #resume(error: unknown, session: UploadSession): Promise<boolean> {
    // Respect the pause of a registry that responded; after a broken connection, ask at once.
    let isPaused = error instanceof RegistryError;
    if (isPaused) await this.#retry.after(error);
    for (;;) {
      try {
        const now = await settledProgress(session, this.#progressRequest);
        const gained = this.#advance(now?.offset ?? 0);
        if (this.#attemptProgress.isEnough(error, gained)) this.#noteProgress();
        if (!isPaused) await this.#retry.after(error, gained);
        this.#session = now;
        this.#state.isResumed = true;
        if (now === undefined) this.#context.onBytes?.(0);
        return now === undefined && this.#state.isFinishing && await this.#context.exists();
      } catch (failure) {
        this.#context.signal?.throwIfAborted();
        if (failure === error || !isTransient(failure)) throw failure;
        await this.#retry.after(failure);
        isPaused = true;
      }
    }
  }

  get #progressRequest(): ProgressRequest {
    return { ...this.#context, attempt: this.#retry.attempt, size: this.#descriptor.size };
  }
}
