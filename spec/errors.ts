import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";
import { formatPlatform } from "./platform.ts";

/**
 * Base class of the errors of this package.
 *
 * Errors of the operating system (`Deno.errors.*`), `SyntaxError` for invalid text and `RangeError` for
 * arguments out of range do not extend it.
 *
 * @example Tell this package's failures from others
 * ```ts
 * import { LimitError, OciError } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * assert(new LimitError("manifest bytes", 4, 5) instanceof OciError);
 * ```
 */
export class OciError extends Error {
  /** Creates the error. `message` states the failed action, the cause and the remedy. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  /** Returns the name, the message and the fields of the error. */
  toJSON(): Record<string, unknown> {
    const fields = Object.fromEntries(Object.entries(this));
    return { ...fields, name: this.name, message: this.message };
  }
}

/** Expected and actual values of a {@linkcode DigestMismatchError}. */
export interface DigestMismatch {
  /** Expected digest. */
  readonly expected: Digest;
  /** Digest of the received bytes; `undefined` if their number was already wrong. */
  readonly actual?: Digest | undefined;
  /** Expected number of bytes, if it is known. */
  readonly expectedSize?: number | undefined;
  /** Number of received bytes, at most one more than expected. */
  readonly size: number;
  /** Origin of the bytes, without secrets. */
  readonly source?: string | undefined;
}

/** Thrown when bytes do not match a digest or a descriptor. They are not kept. */
export class DigestMismatchError extends OciError implements DigestMismatch {
  /** Expected digest. */
  readonly expected: Digest;
  /** Digest of the received bytes; `undefined` if their number was already wrong. */
  readonly actual: Digest | undefined;
  /** Expected number of bytes, if it is known. */
  readonly expectedSize: number | undefined;
  /** Number of received bytes, at most one more than expected. */
  readonly size: number;
  /** Origin of the bytes, without secrets. */
  readonly source: string | undefined;
  /** The origin if it is a URL. */
  readonly url: string | undefined;

  /** Creates the error. */
  constructor(mismatch: DigestMismatch, options?: ErrorOptions) {
    const { expected, actual, expectedSize, size, source } = mismatch;
    const from = source === undefined ? "" : ` from ${source}`;
    const wrong = expectedSize !== undefined && size !== expectedSize
      ? `${size > expectedSize ? "more than " : `${size} of `}${expectedSize} bytes came`
      : `their digest is ${actual}`;
    super(`Cannot accept the bytes${from} as ${expected}: ${wrong}`, options);
    this.expected = expected;
    this.actual = actual;
    this.expectedSize = expectedSize;
    this.size = size;
    this.source = source;
    this.url = source !== undefined && /^https?:/.test(source) ? source : undefined;
  }
}

/** Thrown when the archive of a layer does not match the DiffID in the config of the image. */
export class DiffIdMismatchError extends OciError {
  /** DiffID in the config. */
  readonly expected: Digest;
  /** Digest of the archive. */
  readonly actual: Digest;
  /** Digest of the blob of the layer. */
  readonly layer: Digest;

  /** Creates the error for the layer with the blob digest `layer`. */
  constructor(expected: Digest, actual: Digest, layer: Digest, options?: ErrorOptions) {
    super(
      `Cannot accept layer ${layer} as the image's config says that it unpacks to ${expected}: ` +
        `it unpacks to ${actual}`,
      options,
    );
    this.expected = expected;
    this.actual = actual;
    this.layer = layer;
  }
}

/** Thrown when input exceeds a limit, which protects against hostile or broken input. */
export class LimitError extends OciError {
  /** Name of the limited quantity, such as `"manifest bytes"`. */
  readonly limit: string;
  /** Maximum value. */
  readonly max: number;
  /** Actual value, or a lower bound if reading stopped at the limit. */
  readonly value: number;

  /** Creates the error; `subject` names what was being read, and `option` what raises the limit. */
  constructor(limit: string, max: number, value: number, subject?: string, option?: string) {
    const of = subject === undefined ? "" : ` of ${subject}`;
    const raise = option === undefined ? "" : `; raise "${option}" to accept it`;
    super(`Cannot accept more than ${max} ${limit}${of}: there are at least ${value}${raise}`);
    this.limit = limit;
    this.max = max;
    this.value = value;
  }
}

/** Thrown when an image does not support the requested platform. */
export class PlatformError extends OciError {
  /** Requested platform. */
  readonly wanted: Platform;
  /** Platforms of the image. */
  readonly available: readonly Platform[];

  /** Creates the error. `subject` is the name of the image. */
  constructor(subject: string, wanted: Platform, available: readonly Platform[]) {
    // The text is untrusted, so control characters are escaped.
    const names = [...new Set(available.map(formatPlatform))]
      .map((name) => JSON.stringify(name).slice(1, -1));
    const has = names.length === 0 ? "it has none that can run" : `it has ${names.join(", ")}`;
    super(
      `Cannot find ${formatPlatform(wanted)} in ${subject}: ${has}; choose one with "platform"`,
    );
    this.wanted = wanted;
    this.available = available;
  }
}
