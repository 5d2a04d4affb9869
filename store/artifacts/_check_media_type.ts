import { explainedError } from "../../spec/error_facts.ts";

/** Names of RFC 6838, section 4.2, and parameters. */
const MEDIA_TYPE_REGEXP =
  /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(?: *; *[a-z0-9=_.+-]+)*$/i;

/**
 * Checks a media type for a new manifest: the image specification requires the form of RFC 6838, and
 * some registries and clients refuse others.
 *
 * @throws {SyntaxError} If it has another form.
 */
export function checkMediaType(text: string): void {
  if (MEDIA_TYPE_REGEXP.test(text)) return;
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `parse media type ${JSON.stringify(text)}`,
    subject: text,
    problem: 'it must have the form "TYPE/SUBTYPE"',
    advice: 'Specify one such as "application/spdx+json"',
  });
}
