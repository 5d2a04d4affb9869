/** Splits `HOST[:PORT]/PATH[:TAG][@DIGEST]` into the name and the rest, which may be empty. */
export function splitVersion(text: string): { readonly name: string; readonly version: string } {
  const slash = text.indexOf("/");
  const at = slash < 0 ? -1 : text.slice(slash).search(/[:@]/);
  return at < 0
    ? { name: text, version: "" }
    : { name: text.slice(0, slash + at), version: text.slice(slash + at) };
}
