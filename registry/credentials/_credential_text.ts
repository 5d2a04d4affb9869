import { foldName } from "../../spec/json.ts";
import {
  formatJsonObject,
  type JsonMember,
  type JsonObject,
  newMember,
  parseJsonObject,
  valueText,
  withValue,
} from "./_json_members.ts";
import { normalizeCredentialKey } from "./credential_key.ts";

/** Indentation of docker's files. */
const TAB = "\t";

/**
 * Sets the entry of a registry in the text of a credential file. All other bytes and their order
 * stay, except entries under other names of the same registry, which some tools would prefer.
 *
 * @param text Text of the file: a JSON object, or empty.
 */
export function setCredentialEntry(
  text: string,
  key: string,
  entry: Readonly<Record<string, string>>,
): string {
  if (text.trim() === "") {
    return `${JSON.stringify({ auths: { [key]: entry } }, undefined, TAB)}\n`;
  }
  return editAuths(text, (auths, unit) => {
    const value = formatValue(entry, unit, 2);
    const registry = normalizeCredentialKey(key);
    const own = auths.members.find((member) => member.key === key);
    const others = auths.members.filter((member) => {
      return member === own || normalizeCredentialKey(member.key) !== registry;
    });
    if (own !== undefined) {
      return withMembers(
        auths,
        others.map((member) => member === own ? withValue(own, value) : member),
      );
    }
    const lead = auths.members[0]?.lead ?? indent(unit, 2);
    const closing = auths.members.length > 0 ? auths.closing : indent(unit, 1);
    return { members: [...others, newMember(key, value, lead)], closing };
  });
}

/** Removes the entries for which `isRemoved` returns `true` from the text of a credential file. */
export function removeCredentialEntries(text: string, isRemoved: (key: string) => boolean): string {
  if (text.trim() === "") return text;
  return editAuths(text, (auths) => {
    return withMembers(auths, auths.members.filter(({ key }) => !isRemoved(key)));
  });
}

/** Edits the member `auths` of a credential file, whatever its position and case. */
function editAuths(text: string, edit: (auths: JsonObject, unit: string) => JsonObject): string {
  const [, before = "", body = "", after = ""] = /^(\s*)(.*?)(\s*)$/s.exec(text) ?? [];
  const root = parseJsonObject(body);
  const unit = root.members.length === 0
    ? TAB
    : /\n([ \t]*)$/.exec(root.members[0]?.lead ?? "")?.[1] ?? "";
  const isAuths = ({ key, text, valueAt }: JsonMember) => {
    return foldName(key) === "auths" && text[valueAt] === "{";
  };
  // Go merges duplicate objects; the last member wins.
  const last = root.members.findLastIndex(isAuths);
  const edited = root.members.map((member, i) => {
    if (!isAuths(member)) return member;
    const auths = parseJsonObject(valueText(member));
    const changed = edit(auths, unit);
    if (i === last) return withValue(member, formatJsonObject(changed));
    const kept = new Set(changed.members.map(({ key }) => key));
    const members = auths.members.filter(({ key }) => kept.has(key));
    return withValue(member, formatJsonObject(withMembers(auths, members)));
  });
  if (last >= 0) return before + formatJsonObject({ ...root, members: edited }) + after;
  const auths = edit({ members: [], closing: "" }, unit);
  if (auths.members.length === 0) return text;
  // Replace a member that is not an object, such as null.
  const rest = root.members.filter(({ key }) => foldName(key) !== "auths");
  const lead = root.members[0]?.lead ?? indent(unit, 1);
  const closing = root.members.length > 0 ? root.closing : indent(unit, 0);
  const members = [...rest, newMember("auths", formatJsonObject(auths), lead)];
  return before + formatJsonObject({ members, closing }) + after;
}

/** Returns the object with other members; an empty one is written on one line. */
function withMembers(object: JsonObject, members: readonly JsonMember[]): JsonObject {
  return { members, closing: members.length === 0 ? "" : object.closing };
}

function formatValue(value: unknown, unit: string, depth: number): string {
  return JSON.stringify(value, undefined, unit).replaceAll("\n", indent(unit, depth));
}

/** Returns the white space before a line at a depth; empty for a single-line file. */
function indent(unit: string, depth: number): string {
  return unit === "" ? "" : `\n${unit.repeat(depth)}`;
}
