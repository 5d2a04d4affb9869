import { DecompressError } from "../../layer/compression/decompress_error.ts";
import * as layerErrors from "../../layer/errors.ts";
import { TarError } from "../../layer/tar/tar_error.ts";
import * as specErrors from "../../spec/errors.ts";

/**
 * An error that can be sent to another thread. A structured clone would lose its class and fields.
 */
export interface TransferredError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause?: TransferredError | undefined;
}

/** Returns the error classes that are restored, by name. */
function errorClasses(): ReadonlyMap<string, { readonly prototype: Error }> {
  const exported = Object.values({ ...layerErrors, ...specErrors, ...Deno.errors }) as unknown[];
  const others = [DecompressError, TarError, TypeError, RangeError, SyntaxError];
  const classes = [...exported, ...others].filter(isErrorClass);
  return new Map(classes.map((errorClass) => [errorClass.name, errorClass]));
}

function isErrorClass(
  value: unknown,
): value is { readonly name: string; readonly prototype: Error } {
  return typeof value === "function" && value.prototype instanceof Error;
}

/** Converts an error to plain data. */
export function packError(error: unknown): TransferredError {
  if (!(error instanceof Error)) return packError(new Error(String(error)));
  const { message, stack, cause } = error;
  const fields = Object.fromEntries(Object.entries(error));
  // Classes are restored by their own name, which may differ from that of the error.
  const { name } = error.constructor;
  const packed = { name, message, stack, fields };
  return cause === undefined ? packed : { ...packed, cause: packError(cause) };
}

/** Restores an error from plain data. */
export function unpackError(packed: TransferredError): Error {
  const { name, message, stack, fields, cause } = packed;
  const error = new Error(message, cause && { cause: unpackError(cause) });
  const errorClass = errorClasses().get(name);
  if (errorClass !== undefined) Object.setPrototypeOf(error, errorClass.prototype);
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, fields);
}
