import type { Answer } from "./answer.ts";
import { NetworkError } from "../errors.ts";

/** What {@linkcode firstAnswer} asks. */
export interface FirstAnswerOptions {
  /** Sends the request to an address. */
  readonly send: (base: URL) => Promise<Answer>;
  /** Whether an address has answered in earnest by now: then it is the right one. */
  readonly isKnown: () => boolean;
  /** Whether a server shakes hands as TLS has it. */
  readonly speaksTls: (base: URL) => Promise<boolean>;
}

/**
 * Sends a request to a registry that is http or https, it is not known which: to its first
 * address, and to the second, which is that for TLS, if the first does not answer as it should and
 * the second shakes hands.
 */
export async function firstAnswer(
  bases: readonly URL[],
  { send, isKnown, speaksTls }: FirstAnswerOptions,
): Promise<Answer> {
  const [base, other] = bases;
  if (base === undefined) throw new RangeError("Cannot ask a registry that has no address");
  if (other === undefined) return await send(base);
  let doubtful: Answer | undefined;
  let failure: unknown;
  try {
    doubtful = await send(base);
    if (isKnown()) return doubtful;
  } catch (error) {
    if (isKnown() || !isOtherProtocol(error)) throw error;
    failure = error;
  }
  if (!await speaksTls(other)) {
    if (doubtful === undefined) throw failure;
    return doubtful;
  }
  doubtful?.[Symbol.dispose]();
  return await send(other);
}

/** Whether a failure may mean that one side speaks TLS and the other does not. */
function isOtherProtocol(error: unknown): boolean {
  return error instanceof NetworkError && (error.reason === "protocol" || error.reason === "cut");
}
