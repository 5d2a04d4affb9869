/**
 * Query parameters whose values are shown: those of the distribution specification and of token
 * requests. Other values may be secrets.
 */
const SHOWN_PARAMETERS = new Set([
  ...["n", "last", "page", "artifactType", "digest", "mount", "from", "ns"],
  ...["service", "scope", "account", "client_id", "offline_token"],
]);
const URL_REGEXP = /\bhttps?:\/\/[^\s"'<>)]+/gi;
const BEARER_REGEXP = /\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi;

/** Removes secrets from a URL: user and password, signatures, tokens. */
export function redactUrl(url: string | URL): string {
  let copy: URL;
  try {
    copy = new URL(url);
  } catch {
    return "(not a URL)";
  }
  if (copy.username !== "" || copy.password !== "") {
    copy.username = copy.username === "" ? "" : "***";
    copy.password = "***";
  }
  copy.hash = "";
  const query = copy.search.slice(1);
  if (query === "") return copy.href;
  const shown = query.split("&").map((pair) => {
    const [name = "", value] = pair.split("=", 2);
    if (value === undefined) return "***";
    return SHOWN_PARAMETERS.has(percentDecoded(name)) ? pair : `${name}=***`;
  });
  copy.search = "";
  return `${copy.href}?${shown.join("&")}`;
}

/** Removes secrets from free text, such as a message that quotes a signed URL. */
export function redactText(text: string): string {
  return text.replace(URL_REGEXP, (url) => redactUrl(url)).replace(BEARER_REGEXP, "$1 ***");
}

/** Decodes percent-encoded text, and keeps stray percent signs. */
export function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}
