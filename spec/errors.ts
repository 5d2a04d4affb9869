import type { Digest } from "./digest.ts";
import { type ErrorCode, type ErrorFacts, errorMessage } from "./error_facts.ts";
import { formatPlatform, type Platform } from "./platform.ts";

/** Options for {@linkcode OciError}. */
export interface OciErrorOptions extends ErrorOptions, Omit<ErrorFacts, "code" | "problem"> {
  /**
   * What went wrong, for programs.
   *
   * @default {"other"}
   */
  readonly code?: ErrorCode | undefined;
}

/**
 * Base class of the errors of this package. The message reads
 * `Cannot <action>: <problem>. <Advice>`; each part is also a property, so that a program can
 * branch on the code and write its own message.
 *
 * Errors of the operating system (`Deno.errors.*`), `SyntaxError` for invalid text, `TypeError` and
 * `RangeError` for invalid arguments do not extend it. If this package throws them, they may still
 * have the properties of {@linkcode ErrorFacts}. An aborted operation fails with the reason of its
 * `AbortSignal`.
 *
 * @example Explain a failure in your own words
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { OciError } from "@x/oci/spec";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * using client = new RemoteClient({ maxLayers: 0 });
 * const image = parseReference("alpine:3.20");
 *
 * const error = await assertRejects(() => client.image(image), OciError);
 *
 * assertEquals(error.code, "limit");
 * assertEquals(error.option, "maxLayers");
 * assertEquals(error.problem, "there are at least 1");
 * ```
 */
export class OciError extends Error implements ErrorFacts {
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** Action that failed, as it follows "Cannot", such as `pull "alpine:3"`. */
  readonly action: string | undefined;
  /** Object of the action: a reference, a host or a path, as the caller specified it. */
  readonly subject: string | undefined;
  /** The cause in words, without the action and the advice. */
  readonly problem: string;
  /** What to do, as a sentence without a period, in terms of the library. */
  readonly advice: string | undefined;
  /** The option of the library that helps or is at fault, such as `"platform"`. */
  readonly option: string | undefined;

  /** Creates the error. `problem` is the cause in words. */
  constructor(problem: string, options: OciErrorOptions = {}) {
    const { code = "other", action, subject, advice, option, ...rest } = options;
    super(errorMessage({ action, problem, advice }), rest);
    this.name = new.target.name;
    this.code = code;
    this.action = action;
    this.subject = subject;
    this.problem = problem;
    this.advice = advice;
    this.option = option;
  }

  /** Returns the name, the code, the message and the other fields of the error. */
  toJSON(): Record<string, unknown> {
    const { name, code, message } = this;
    const fields = Object.entries(this).filter(([, value]) => value !== undefined);
    return { name, code, message, ...Object.fromEntries(fields) };
  }
}

/** Expected and actual values of a {@linkcode DigestMismatchError}. */
export interface DigestMismatch {
  /** Expected digest. */
  readonly expected: Digest;
  /** Digest of the received bytes; `undefined` if the size is already wrong. */
  readonly actual?: Digest | undefined;
  /** Expected number of bytes, if it is known. */
  readonly expectedSize?: number | undefined;
  /** Number of received bytes; if there are too many, of those before the error. */
  readonly size: number;
  /** Origin of the bytes, without secrets. */
  readonly source?: string | undefined;
  /** Argument that specified the digest, if it may be wrong rather than the content. */
  readonly option?: string | undefined;
}

/**
 * Thrown when bytes do not match a digest or a descriptor. The bytes are discarded.
 *
 * @example Get the digest of damaged bytes
 * ```ts
 * import { DigestMismatchError, digestOf, verifyBytes } from "@x/oci/spec";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const damaged = new TextEncoder().encode("jello");
 * const digest = digestOf(new TextEncoder().encode("hello"));
 *
 * const error = await assertRejects(() => verifyBytes(damaged, { digest }), DigestMismatchError);
 *
 * assertEquals(error.actual, digestOf(damaged));
 * ```
 */
export class DigestMismatchError extends OciError implements DigestMismatch {
  /** Expected digest. */
  readonly expected: Digest;
  /** Digest of the received bytes; `undefined` if the size is already wrong. */
  readonly actual: Digest | undefined;
  /** Expected number of bytes, if it is known. */
  readonly expectedSize: number | undefined;
  /** Number of received bytes; if there are too many, of those before the error. */
  readonly size: number;
  /** Origin of the bytes, without secrets. */
  readonly source: string | undefined;
  /** The origin if it is a URL. */
  readonly url: string | undefined;

  /** Creates the error. */
  constructor(mismatch: DigestMismatch, options?: ErrorOptions) {
    const { expected, actual, expectedSize, size, source, option } = mismatch;
    const from = source === undefined ? "" : ` from ${source}`;
    const wrong = expectedSize !== undefined && size !== expectedSize
      ? `received ${size > expectedSize ? "more than" : `${size} of`} ${expectedSize} bytes`
      : `their digest is ${actual}`;
    super(wrong, {
      ...options,
      code: "digest-mismatch",
      action: `accept the bytes${from} as ${expected}`,
      subject: expected,
      option,
    });
    this.expected = expected;
    this.actual = actual;
    this.expectedSize = expectedSize;
    this.size = size;
    this.source = source;
    this.url = source !== undefined && /^https?:/.test(source) ? source : undefined;
  }
}

/**
 * Thrown when required content cannot be verified, because the algorithm of its digest is neither
 * `sha256` nor `sha512`. The document that refers to the content can be used without it.
 *
 * @example Get a digest that cannot be verified
 * ```ts
 * import { digestAlgorithm, UnsupportedDigestError } from "@x/oci/spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(() => digestAlgorithm("blake3:00"), UnsupportedDigestError);
 *
 * assertEquals(error.digest, "blake3:00");
 * ```
 */
export class UnsupportedDigestError extends OciError {
  /** Digest of the content. */
  readonly digest: Digest;

  /** Creates the error for a digest. */
  constructor(digest: Digest) {
    const algorithm = digest.slice(0, digest.indexOf(":"));
    const shown = digest.length > 100 ? `${digest.slice(0, 100)}…` : digest;
    super(`the digest algorithm "${algorithm}" is not supported`, {
      code: "unsupported-digest",
      action: `verify ${shown}`,
      subject: digest,
      advice: "Use content with a sha256 or sha512 digest",
    });
    this.digest = digest;
  }
}

/**
 * Thrown when the archive of a layer does not match the DiffID in the config of the image.
 *
 * @example Reject a layer that does not match the config
 * ```ts
 * import { extractLayer } from "@x/oci/layer";
 * import { DiffIdMismatchError, digestOf } from "@x/oci/spec";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * const diffId = digestOf(new TextEncoder().encode("another archive"));
 *
 * const error = await assertRejects(
 *   () => extractLayer(layer.readable, "./rootfs", { diffId }),
 *   DiffIdMismatchError,
 * );
 *
 * assertEquals(error.expected, diffId);
 * ```
 */
export class DiffIdMismatchError extends OciError {
  /** DiffID in the config. */
  readonly expected: Digest;
  /** Digest of the archive. */
  readonly actual: Digest;
  /** Digest of the layer's blob; without a descriptor, the name of the layer. */
  readonly layer: string;

  /** Creates the error for a layer: the digest of its blob, or its name. */
  constructor(expected: Digest, actual: Digest, layer: string, options?: ErrorOptions) {
    super(
      `the config of the image says that it unpacks to ${expected}, but it unpacks to ${actual}`,
      {
        ...options,
        code: "diff-id-mismatch",
        action: `accept layer ${layer}`,
        subject: layer,
      },
    );
    this.expected = expected;
    this.actual = actual;
    this.layer = layer;
  }
}

/**
 * Thrown when input exceeds a limit, which protects against hostile or broken input.
 *
 * @example Refuse a layer that is too large
 * ```ts
 * import { extractLayer } from "@x/oci/layer";
 * import { LimitError } from "@x/oci/spec";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 *
 * const error = await assertRejects(
 *   () => extractLayer(layer.readable, "./rootfs", { maxBytes: 1024 }),
 *   LimitError,
 * );
 *
 * assertEquals([error.max, error.option], [1024, "maxBytes"]);
 * ```
 */
export class LimitError extends OciError {
  /** Name of the limited quantity, such as `"manifest bytes"`. */
  readonly limit: string;
  /** Maximum value. */
  readonly max: number;
  /** Actual value, or a lower bound if reading stopped at the limit. */
  readonly value: number;

  /**
   * Creates the error; `subject` names the input, and `option` the option that raises the limit.
   */
  constructor(limit: string, max: number, value: number, subject?: string, option?: string) {
    const of = subject === undefined ? "" : ` of ${subject}`;
    super(`there are at least ${value}`, {
      code: "limit",
      action: `accept more than ${max} ${limit}${of}`,
      subject,
      advice: option === undefined ? undefined : `Raise "${option}" to accept it`,
      option,
    });
    this.limit = limit;
    this.max = max;
    this.value = value;
  }
}

/**
 * Thrown when an image does not support the requested platform.
 *
 * @example List the platforms of an image that does not run on this machine
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { formatPlatform, PlatformError } from "@x/oci/spec";
 * import { assertArrayIncludes, assertRejects } from "@std/assert";
 *
 * using client = new RemoteClient({ platform: "windows/amd64" });
 * const alpine = parseReference("alpine:3.20");
 *
 * const error = await assertRejects(() => client.image(alpine), PlatformError);
 *
 * assertArrayIncludes(error.available.map(formatPlatform), ["linux/amd64", "linux/arm64"]);
 * ```
 */
export class PlatformError extends OciError {
  /** Requested platform. */
  readonly wanted: Platform;
  /** Platforms of the image. */
  readonly available: readonly Platform[];

  /** Creates the error. `subject` is the name of the image, if it is known. */
  constructor(subject: string | undefined, wanted: Platform, available: readonly Platform[]) {
    // The text is untrusted, so control characters are escaped.
    const names = [...new Set(available.map(formatPlatform))]
      .map((name) => JSON.stringify(name).slice(1, -1) || "an unknown platform");
    const has = names.length === 0 ? "it has none that can run" : `it has ${names.join(", ")}`;
    super(has, {
      code: "platform",
      action: `find ${formatPlatform(wanted)} in ` +
        (subject === undefined ? "the image" : `"${subject}"`),
      subject,
      advice: names.length === 0 ? undefined : 'Choose one with "platform"',
      option: "platform",
    });
    this.wanted = wanted;
    this.available = available;
  }
}
