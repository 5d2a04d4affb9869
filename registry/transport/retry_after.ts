/** A year: who names more means never, and dates end. */
const MAX_MS = 365 * 24 * 60 * 60 * 1000;

/**
 * How long a `Retry-After` header asks to wait, in milliseconds; it holds seconds or a date
 * (RFC 9110 section 10.2.3).
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text)) return Math.min(MAX_MS, Math.ceil(Number(text) * 1000));
  const date = text === "" ? NaN : Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(MAX_MS, Math.max(0, date - now));
}
