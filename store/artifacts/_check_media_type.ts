import { explainedError } from "../../spec/error_facts.ts";
import { isMediaType } from "../../spec/image/descriptor.ts";

/**
 * Checks a media type for a new manifest: the image specification requires the form of RFC 6838, and
 * some registries and clients refuse others.
 *
 * @throws {SyntaxError} If it has another form.
 */
export function checkMediaType(text: string): void {
  if (isMediaType(text)) return;
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `parse media type ${JSON.stringify(text)}`,
    subject: text,
    problem: 'it must have the form "TYPE/SUBTYPE"',
    advice: 'Specify one such as "application/spdx+json"',
  });
}
