import type { Answer } from "./_answer.ts";
import { NetworkError } from "./errors.ts";

/** How long the second address may take: a server may wait for the rest of what is no HTTP to it. */
const PROBE_TIMEOUT_MS = 2_000;

/**
 * Sends a request to a registry that is http or https, it is not known which: to its first
 * address, and to the second if the first does not answer in this protocol.
 *
 * @param send Sends the request to an address.
 * @param isKnown Whether an address has answered in earnest by now: then there is no doubt any
 * more, and what fails fails for another reason.
 */
export async function firstAnswer(
  bases: readonly URL[],
  send: (base: URL, timeoutMs?: number) => Promise<Answer>,
  isKnown: () => boolean,
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
  try {
    const answer = await send(other, PROBE_TIMEOUT_MS);
    doubtful?.[Symbol.dispose]();
    return answer;
  } catch (error) {
    if (!isKnown() && (isOtherProtocol(error) || isStall(error))) {
      if (doubtful !== undefined) return doubtful;
      throw failure;
    }
    doubtful?.[Symbol.dispose]();
    throw error;
  }
}

/** Whether a failure may mean that one side speaks TLS and the other does not. */
function isOtherProtocol(error: unknown): boolean {
  return error instanceof NetworkError && (error.reason === "protocol" || error.reason === "cut");
}

function isStall(error: unknown): boolean {
  return error instanceof NetworkError && error.reason === "stalled";
}
