import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";
import { formatPlatform } from "./platform.ts";

/**
 * What every error class of this package extends, so that one `instanceof` tells its
 * failures from everybody else's.
 *
 * Errors of the operating system (`Deno.errors.*`), a `SyntaxError` for text that does not
 * parse and a `RangeError` for an argument out of bounds pass through as they are.
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
  /** Creates an error; `message` says what was being done, what is wrong and what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  /** The error's name, message and own fields, as `--json` prints them. */
  toJSON(): Record<string, unknown> {
    const fields = Object.fromEntries(Object.entries(this));
    return { ...fields, name: this.name, message: this.message };
  }
}

/** What a {@linkcode DigestMismatchError} compares. */
export interface DigestMismatch {
  /** The digest that was asked for. */
  readonly expected: Digest;
  /** The digest of the bytes that came, or `undefined` when their number was wrong already. */
  readonly actual?: Digest | undefined;
  /** How many bytes were expected, where that is known. */
  readonly expectedSize?: number | undefined;
  /** How many bytes came, up to the one too many that ended the comparison. */
  readonly size: number;
  /** Where the bytes came from, without secrets. */
  readonly source?: string | undefined;
}

/** Bytes are not those that a digest or a descriptor promised. Nothing of them was kept. */
export class DigestMismatchError extends OciError implements DigestMismatch {
  /** The digest that was asked for. */
  readonly expected: Digest;
  /** The digest of the bytes that came, or `undefined` when their number was wrong already. */
  readonly actual: Digest | undefined;
  /** How many bytes were expected, where that is known. */
  readonly expectedSize: number | undefined;
  /** How many bytes came, up to the one too many that ended the comparison. */
  readonly size: number;
  /** Where the bytes came from, without secrets. */
  readonly source: string | undefined;
  /** The same, if it is a URL: the bytes came over the network, and not out of a file. */
  readonly url: string | undefined;

  /** Creates the error from what was compared. */
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

/** The uncompressed bytes of a layer are not those that the image's config names. */
export class DiffIdMismatchError extends OciError {
  /** The DiffID that the config names. */
  readonly expected: Digest;
  /** The digest of the uncompressed bytes. */
  readonly actual: Digest;
  /** The digest of the layer's blob. */
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

/** A limit that guards against hostile or broken input was passed. */
export class LimitError extends OciError {
  /** What is limited, such as `"manifest bytes"`. */
  readonly limit: string;
  /** The most that is accepted. */
  readonly max: number;
  /** The value that was met, or the least it can be where reading stopped at the limit. */
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

/** An image has nothing for the platform that was asked for. */
export class PlatformError extends OciError {
  /** The platform that was asked for. */
  readonly wanted: Platform;
  /** The platforms that the image has. */
  readonly available: readonly Platform[];

  /** Creates the error; `subject` names the image. */
  constructor(subject: string, wanted: Platform, available: readonly Platform[]) {
    // A stranger's text: control characters are escaped.
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
