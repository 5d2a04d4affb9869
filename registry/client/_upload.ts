import type { OpenContent } from "../../spec/content.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { AuthError, NetworkError, RegistryError } from "../errors.ts";
import type { Answer } from "../transport/answer.ts";
import { Retry } from "../transport/retry.ts";
import type { Registry, RegistryRequest } from "./_registry.ts";
import { UploadBody } from "./_upload_body.ts";
import { finishUrl, readSession, type UploadSession } from "./_upload_session.ts";

/** Up to this size a blob is sent with the request that ends its upload. */
const SMALL_BYTES = 2 * 1024 * 1024;
/** Bytes of a chunk, unless the registry wants larger ones: memory for one is taken. */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** So much in one attempt is worth the next one without a pause. */
const GOOD_PROGRESS_BYTES = 64 * 1024;
/** How often an upload starts again because the registry has lost it, without any progress. */
const MAX_RESTARTS = 3;
/** How often a registry is asked how far an upload is before its answer is taken. */
const MAX_STATUS_REQUESTS = 5;
/** Pause between the first two of these questions. */
const SETTLE_MS = 20;
/** What a registry says of an upload that it does not have (any more), or has differently. */
const LOST = new Set([400, 404, 410, 416]);
/** What a server says that does not take a body without a length, or none of that size. */
const UNSTREAMABLE = new Set([400, 411, 413, 501]);
/** The end of an upload: registries answer with more than 201. */
const FINISHED = [201, 202, 204];

/** What an upload needs to know. */
export interface UploadContext {
  readonly registry: Registry;
  /** The repository, as the reference names it. */
  readonly repository: string;
  readonly scope: string;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with the bytes that have been sent. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** Whether the registry has the blob after all. */
  readonly exists: () => Promise<boolean>;
}

/**
 * Uploads a blob: with one `POST` and one `PUT` if it is small, else with `PATCH` between them,
 * whose body is sent as it is read. An upload that breaks goes on from where the registry says.
 *
 * @param session The session, if one has begun already.
 */
export async function uploadBlob(
  descriptor: Descriptor,
  open: OpenContent,
  context: UploadContext,
  session?: UploadSession,
): Promise<void> {
  await new BlobUpload(descriptor, open, context, session).run();
}

class BlobUpload {
  readonly #descriptor: Descriptor;
  readonly #open: OpenContent;
  readonly #context: UploadContext;
  readonly #retry: Retry;
  #session: UploadSession | undefined;
  /**
   * Whether large bodies are sent in chunks with a length, rather than as one stream: that takes
   * three times as long, and not every registry takes several chunks.
   */
  #isChunked = false;
  #isResumed = false;
  #isFinishing = false;
  #again = false;
  #sourceFailure: { readonly error: unknown } | undefined;
  #restarts = 0;
  /** Where the attempt began. */
  #attemptOffset = 0;

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
    for (;;) {
      try {
        this.#session ??= await this.#begin();
        await this.#send(this.#session);
        return;
      } catch (error) {
        this.#context.signal?.throwIfAborted();
        if (await this.#recover(error)) return;
      }
    }
  }

  async #begin(): Promise<UploadSession> {
    this.#isResumed = false;
    return await this.#request(
      { method: "POST", path: "blobs/uploads/", accept: [202] },
      undefined,
    );
  }

  /** Sends what the registry does not have yet, and ends the upload. */
  async #send(session: UploadSession): Promise<void> {
    const { size } = this.#descriptor;
    this.#attemptOffset = session.offset;
    let current = session;
    // Deno repeats a PUT whose connection breaks, if it has the body: only one that begins at the
    // beginning may be sent twice.
    while (size - current.offset > (current.offset === 0 ? SMALL_BYTES : 0)) {
      current = this.#isChunked ? await this.#sendChunk(current) : await this.#sendRest(current);
      this.#session = current;
    }
    await this.#finish(current);
  }

  async #sendRest(session: UploadSession): Promise<UploadSession> {
    const { size } = this.#descriptor;
    const { offset } = session;
    const range = { "content-range": `${offset}-${size - 1}` };
    const next = await this.#patch(session, {
      headers: offset === 0 ? {} : range,
      body: () => this.#body(offset).stream(),
    });
    return { ...next, offset: next.offset > offset ? next.offset : size };
  }

  async #sendChunk(session: UploadSession): Promise<UploadSession> {
    const { size } = this.#descriptor;
    const { offset, minChunkBytes } = session;
    const end = Math.min(size, offset + Math.max(CHUNK_BYTES, minChunkBytes));
    const next = await this.#patch(session, {
      headers: { "content-range": `${offset}-${end - 1}` },
      body: () => this.#body(offset).chunk(end - offset),
    });
    this.#progress(next.offset);
    return { ...next, offset: next.offset > offset ? next.offset : end };
  }

  async #patch(
    session: UploadSession,
    request: Pick<RegistryRequest, "headers" | "body">,
  ): Promise<UploadSession> {
    const headers = { ...request.headers, "content-type": "application/octet-stream" };
    return await this.#request({
      method: "PATCH",
      path: "blobs/uploads/",
      url: session.url,
      headers,
      body: request.body,
      accept: FINISHED,
    }, session);
  }

  /** Ends the upload, with the bytes of a small blob or with none. */
  async #finish(session: UploadSession): Promise<void> {
    const { digest, size } = this.#descriptor;
    const rest = size - session.offset;
    this.#isFinishing = true;
    using _answer = await this.#context.registry.open({
      ...this.#common(),
      method: "PUT",
      path: "blobs/uploads/",
      url: finishUrl(session, digest),
      headers: { "content-type": "application/octet-stream" },
      body: () => rest === 0 ? new Uint8Array() : this.#body(session.offset).chunk(rest),
      accept: FINISHED,
    }, this.#retry.attempt);
    this.#context.onBytes?.(size);
  }

  async #request(
    request: Omit<RegistryRequest, "repository" | "task">,
    previous: UploadSession | undefined,
  ): Promise<UploadSession> {
    const { registry, task } = this.#context;
    using answer: Answer = await registry.open(
      { ...this.#common(), ...request },
      this.#retry.attempt,
    );
    return readSession(answer, previous, { task, allowPrivate: registry.endpoint.isPrivate });
  }

  #common(): Pick<RegistryRequest, "repository" | "scope" | "task" | "signal" | "onWarning"> {
    const { repository, scope, task, signal, onWarning } = this.#context;
    return { repository, scope, task, signal, onWarning };
  }

  #body(offset: number): UploadBody {
    const { signal, onBytes, onRetry } = this.#context;
    return new UploadBody(this.#descriptor, this.#open, {
      offset,
      again: this.#again,
      signal,
      onBytes,
      onRetry,
      onFailure: (error) => this.#sourceFailure = { error },
    });
  }

  /** Notes that the registry has got further. */
  #progress(offset: number): void {
    if (offset <= this.#attemptOffset) return;
    this.#restarts = 0;
    this.#retry.progress();
  }

  /**
   * Gets ready for another attempt, or throws `error`.
   *
   * @returns Whether the blob is there after all, as only the answer was lost.
   */
  async #recover(error: unknown): Promise<boolean> {
    // What the source fails with, the source has retried.
    if (this.#sourceFailure !== undefined) throw this.#sourceFailure.error;
    const wasFinishing = this.#isFinishing;
    this.#isFinishing = false;
    if (isTransient(error)) return await this.#resume(error, wasFinishing);
    if (!(error instanceof RegistryError) || error instanceof AuthError) throw error;
    const session = this.#session;
    if (session === undefined) throw error;
    if (error.status === 416 && ++this.#restarts <= MAX_RESTARTS) {
      // The registry has got further since it was asked, as an earlier connection ended only then.
      this.#session = await this.#settledStatus(session);
      return false;
    }
    if (this.#isChunked || wasFinishing || !UNSTREAMABLE.has(error.status)) {
      return await this.#restart(error, wasFinishing);
    }
    this.#isChunked = true;
    this.#session = await this.#status(session);
    return false;
  }

  /** Pauses, and goes on from where the registry has got to: only it knows what has arrived. */
  async #resume(error: unknown, wasFinishing: boolean): Promise<boolean> {
    const session = this.#session;
    if (session === undefined) {
      await this.#retry.after(error);
      return false;
    }
    // A registry that answers wants its pause; after a cut, it is asked at once.
    let isPaused = error instanceof RegistryError;
    if (isPaused) await this.#retry.after(error);
    for (;;) {
      try {
        const now = await this.#settledStatus(session);
        const gained = (now?.offset ?? 0) - this.#attemptOffset;
        this.#progress(now?.offset ?? 0);
        if (!isPaused) await this.#retry.after(error, gained >= GOOD_PROGRESS_BYTES);
        this.#session = now;
        this.#isResumed = true;
        if (now === undefined) this.#context.onBytes?.(0);
        return now === undefined && wasFinishing && await this.#context.exists();
      } catch (failure) {
        this.#context.signal?.throwIfAborted();
        if (failure === error || !isTransient(failure)) throw failure;
        await this.#retry.after(failure);
        isPaused = true;
      }
    }
  }

  /**
   * Asks how far an upload is, until the answer is the same twice: after a cut, a registry may still
   * be storing what had arrived.
   */
  async #settledStatus(session: UploadSession): Promise<UploadSession | undefined> {
    let now = await this.#status(session);
    const { clock } = this.#context.registry.policy;
    for (let i = 1; i < MAX_STATUS_REQUESTS && now !== undefined; i++) {
      await clock.sleep(i * SETTLE_MS, this.#context.signal);
      const next = await this.#status(now);
      if (next?.offset === now.offset) return next;
      now = next;
    }
    return now;
  }

  /** Asks how far an upload is; `undefined` if the registry does not have it any more. */
  async #status(session: UploadSession): Promise<UploadSession | undefined> {
    const { registry, task } = this.#context;
    const { url } = session;
    const path = "blobs/uploads/";
    using answer = await registry.open(
      { ...this.#common(), method: "GET", path, url, accept: [202, 204, ...LOST] },
      this.#retry.attempt,
    );
    if (LOST.has(answer.status) || !answer.headers.has("range")) return undefined;
    const allowPrivate = registry.endpoint.isPrivate;
    const now = readSession(answer, session, { task, allowPrivate });
    return now.offset > this.#descriptor.size ? undefined : now;
  }

  /** Starts again after the registry has lost the upload, or has other bytes than it should. */
  async #restart(error: RegistryError, wasFinishing: boolean): Promise<boolean> {
    if (!LOST.has(error.status)) throw error;
    if (wasFinishing && error.status === 404 && await this.#context.exists()) return true;
    const isDigestWrong = error.code === "DIGEST_INVALID";
    // Bytes that a source has sent wrong come from elsewhere the next time, once.
    if (isDigestWrong && this.#again && !this.#isResumed) throw error;
    if (!isDigestWrong && error.status === 400) throw error;
    if (++this.#restarts > MAX_RESTARTS) throw error;
    this.#again ||= isDigestWrong;
    this.#context.onRetry?.(error);
    this.#context.onBytes?.(0);
    this.#session = undefined;
    return false;
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof NetworkError || (error instanceof RegistryError && error.retryable);
}
