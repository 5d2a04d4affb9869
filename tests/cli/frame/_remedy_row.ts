import { type ErrorCode, OciError } from "../../../spec/mod.ts";

/** The digest in all errors. */
export const DIGEST: `sha256:${string}` = `sha256:${"0".repeat(64)}`;
/** The remedy if only the author of an image can help. */
export const REPORT: string = "Report it to the author of the image";

/** An error, and what the command line prints for it. */
export interface RemedyRow {
  readonly error: OciError | (Error & { readonly code: ErrorCode });
  /** Cause and remedy of the rendered line. */
  readonly line: string;
  /** Command, where the remedy depends on it. */
  readonly command?: string | undefined;
}

/** Creates an error with a code that several classes use. */
export function facts(code: ErrorCode, advice?: string): OciError {
  return new OciError("it is so", { code, action: "do x", subject: "x", advice });
}

/** Creates the row of such an error. Its remedy may be the advice of the library. */
export function explained(
  code: ErrorCode,
  remedy: string,
  { isAdvice = false, command }: { readonly isAdvice?: boolean; readonly command?: string } = {},
): RemedyRow {
  const error = facts(code, isAdvice ? remedy : undefined);
  return { error, line: `cannot do x: it is so. ${remedy}`, command };
}
