import { isObject, parseIfJson } from "../../spec/json.ts";
import { startTimer } from "../tasks/timer.ts";
import { readUpTo, sourceOf } from "./bounded_body.ts";
import { canDecode, contentCodings, decodeContent } from "./content_coding.ts";
import type { HttpResponse } from "./http_response.ts";
import { redactText } from "./redact.ts";

const MAX_BODY_BYTES = 64 * 1024;
const MAX_DETAIL_LENGTH = 500;
/** Maximum time to read the body of an error response, in milliseconds. */
const MAX_BODY_MS = 2_000;
const CODE_REGEXP = /^[A-Za-z0-9_.-]{1,64}$/;
const XML_ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  amp: "&",
};
/** Code for a document that refers to a missing blob. */
export const BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN";
/** Codes with which registries reject a change, in some cases with status 500. */
export const REJECTIONS: ReadonlySet<string> = new Set([
  "DENIED",
  BLOB_UNKNOWN,
  "MANIFEST_INVALID",
  "MANIFEST_UNVERIFIED",
  "NAME_INVALID",
  "TAG_INVALID",
  "UNSUPPORTED",
]);

/** Parts of the body of an error. */
export interface ErrorBody {
  readonly code?: string | undefined;
  readonly detail?: string | undefined;
  /** Whether it has the form of the distribution specification. */
  readonly isOfRegistry?: boolean;
}

/** Reads the body of an error as far as its limits allow. */
export async function readErrorBody(response: HttpResponse): Promise<ErrorBody> {
  return parseErrorBody(await readText(response));
}

async function readText(response: HttpResponse): Promise<string> {
  using _timer = startTimer(MAX_BODY_MS, () => response[Symbol.dispose]());
  try {
    const { bytes } = await readUpTo(response, MAX_BODY_BYTES);
    return new TextDecoder().decode(await decodeBody(response, bytes));
  } catch {
    // The status is enough; a truncated body must not hide it.
    return "";
  }
}

/** Decodes the content codings of an error body, as far as received. */
async function decodeBody(
  response: HttpResponse,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  if (!canDecode(contentCodings(response))) return bytes;
  try {
    return (await readUpTo(decodeContent(response, sourceOf(bytes)), MAX_BODY_BYTES)).bytes;
  } catch {
    // The body does not match its header.
    return bytes;
  }
}

/**
 * Parses errors of the distribution specification, the looser ones of token servers, and the text
 * or title of a page from an intermediary.
 */
function parseErrorBody(text: string): ErrorBody {
  const body = parseIfJson(text);
  if (body === undefined) {
    if (/^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/.test(text)) return parseXmlError(text);
    const plain = /^\s*[<{[]/.test(text) ? /<title>([^<]*)/i.exec(text)?.[1] : text.trim();
    return { detail: plain ? shorten(plain) : undefined };
  }
  if (!isObject(body)) return {};
  const { errors, ...flat } = body;
  const entries = Array.isArray(errors) ? errors.filter(isObject) : [];
  const entry = entries.find(({ code }) => REJECTIONS.has(String(code))) ?? entries[0] ??
    (isObject(flat.error) ? { ...flat, ...flat.error } : flat);
  const code = typeof entry.code === "string" && CODE_REGEXP.test(entry.code)
    ? entry.code
    : undefined;
  const words = [entry.message, entry.error_description, entry.error, entry.details]
    .find((value) => typeof value === "string" && value !== "");
  // Quay and Artifactory (kaniko#1095) put the reason here, others the digest of a missing blob.
  const { detail: more } = entry;
  const reason = isObject(more) ? more.message ?? more.description : more;
  const all = [words, String(words).includes(String(reason)) ? "" : reason]
    .filter((text) => typeof text === "string" && text !== "");
  const detail = all.length === 0 ? undefined : shorten(all.join(": "));
  return { code, detail, isOfRegistry: entries.length > 0 };
}

/** Parses errors of storage services; S3, GCS and Azure use the same elements. */
function parseXmlError(text: string): ErrorBody {
  const element = (name: string) => {
    return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]?.trim();
  };
  const code = element("Code") ?? "";
  const message = element("Message") ?? "";
  return {
    code: CODE_REGEXP.test(code) ? code : undefined,
    detail: message === "" ? undefined : shorten(unescapeXml(message)),
  };
}

function unescapeXml(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp|#[0-9]{1,7});/g, (whole, name: string) => {
    if (!name.startsWith("#")) return XML_ENTITIES[name] ?? whole;
    const point = Number(name.slice(1));
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** Sanitizes untrusted text for a terminal: removes control characters and limits its length. */
function shorten(text: string): string {
  // deno-lint-ignore no-control-regex
  const plain = redactText(text).replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return plain.length > MAX_DETAIL_LENGTH ? `${plain.slice(0, MAX_DETAIL_LENGTH)}…` : plain;
}
