import { digestOf } from "../../spec/mod.ts";

/** The bytes of a text, or of a value as JSON. */
export function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
}

/** The digest of a text. */
export function digest(text: string): ReturnType<typeof digestOf> {
  return digestOf(bytes(text));
}
