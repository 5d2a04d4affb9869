import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseCredentialFile } from "../../../registry/credentials/_credential_file.ts";
import {
  removeCredentialEntries,
  setCredentialEntry,
} from "../../../registry/credentials/_credential_text.ts";

const ENTRY = { auth: "dTpw" };
const HUB = "https://index.docker.io/v1/";

Deno.test.each([
  {
    name: "a new file as docker writes it",
    text: "",
    key: "h.io",
    result: '{\n\t"auths": {\n\t\t"h.io": {\n\t\t\t"auth": "dTpw"\n\t\t}\n\t}\n}\n',
  },
  {
    name: "after other entries and before unknown fields, whatever they contain",
    text:
      '{\n  "auths": {\n    "a.io": { "auth" : "eDp5", "n": 1e400 }\n  },\n  "10": 0.10, "9": 12345678901234567890\n}',
    key: "h.io",
    result: '{\n  "auths": {\n    "a.io": { "auth" : "eDp5", "n": 1e400 },\n    "h.io": {\n' +
      '      "auth": "dTpw"\n    }\n  },\n  "10": 0.10, "9": 12345678901234567890\n}',
  },
  {
    name: "in place of the old one",
    text: '{"auths":{"h.io":{"auth":"eDp5","email":"x"},"z.io":{}}}',
    key: "h.io",
    result: '{"auths":{"h.io":{"auth":"dTpw"},"z.io":{}}}',
  },
  {
    name: "in place of other names of the same registry",
    text:
      '{"auths":{"docker.io":{"auth":"eDp5"},"docker.io/me":{"auth":"eDp5"},"index.docker.io":{}}}',
    key: HUB,
    result: `{"auths":{"docker.io/me":{"auth":"eDp5"},"${HUB}":{"auth":"dTpw"}}}`,
  },
  {
    name: "into the last of several members that Go reads as auths",
    text: '{"AUTHS":{"h.io":{"auth":"eDp5"}},"authſ":{"a.io":{}}}',
    key: "h.io",
    result: '{"AUTHS":{"h.io":{"auth":"eDp5"}},"authſ":{"a.io":{},"h.io":{"auth":"dTpw"}}}',
  },
  {
    name: "over null",
    text: '{"auths": null, "credHelpers": {}}',
    key: "h.io",
    result: '{ "credHelpers": {},"auths":{"h.io":{"auth":"dTpw"}}}',
  },
  {
    name: "into an object without members",
    text: "{}\n",
    key: "h.io",
    result: '{\n\t"auths": {\n\t\t"h.io": {\n\t\t\t"auth": "dTpw"\n\t\t}\n\t}\n}\n',
  },
  {
    name: "beside keys that quote braces and quotes",
    text: String.raw`{"auths":{"a\"},{":{"b":"}\\"}},"x":[{"auths":{}}]}`,
    key: "h.io",
    result: String
      .raw`{"auths":{"a\"},{":{"b":"}\\"},"h.io":{"auth":"dTpw"}},"x":[{"auths":{}}]}`,
  },
])("setCredentialEntry() writes an entry $name", ({ text, key, result }) => {
  const edited = setCredentialEntry(text, key, ENTRY);

  JSON.parse(edited);
  assertEquals(edited, result);
});

Deno.test.each([
  { text: '{"auths":{"a":{},"b":{},"c":{}}}', result: '{"auths":{"a":{},"c":{}}}' },
  { text: '{"auths":{"b":{}}}', result: '{"auths":{}}' },
  { text: '{ "auths": {\n  "a": {},\n  "b": {}\n  } }', result: '{ "auths": {\n  "a": {}\n  } }' },
  { text: '{"Auths":{"b":1},"auths":{"b":2}}', result: '{"Auths":{},"auths":{}}' },
  { text: '{"x":{"b":{}}}', result: '{"x":{"b":{}}}' },
  { text: "", result: "" },
])("removeCredentialEntries() leaves $result", ({ text, result }) => {
  assertEquals(removeCredentialEntries(text, (key) => key === "b"), result);
});

Deno.test("setCredentialEntry() and removeCredentialEntries() keep every other value of any file", () => {
  const file = fc.record({ auths: fc.dictionary(fc.string(), fc.json()), other: fc.jsonValue() });
  fc.assert(fc.property(file, fc.constantFrom(undefined, 1, "\t"), ({ auths, other }, indent) => {
    const value = JSON.parse(JSON.stringify({ auths: { ...auths, "h.io": 1 }, other }));
    delete value.auths["__proto__"];

    const text = JSON.stringify(value, undefined, indent);
    const changed = JSON.parse(setCredentialEntry(text, "h.io", ENTRY));
    const removed = JSON.parse(removeCredentialEntries(text, (key) => key === "h.io"));

    assertEquals(changed, { ...value, auths: { ...value.auths, "h.io": ENTRY } });
    const { "h.io": _, ...rest } = value.auths;
    assertEquals(removed, { ...value, auths: rest });
  }));
});

Deno.test("parseCredentialFile() finds fields in any case, as Go does", () => {
  const text = '{"AUTHS":{"h.io":{"Auth":"dTpw"}},"CredHelpers":{"a.io":"x"},"credſStore":"y"}';

  const file = parseCredentialFile("f", new TextEncoder().encode(text));

  assert(typeof file !== "string");
  const { auths, helpers, store } = file;
  assertEquals([...auths], [["h.io", { username: "u", password: "p" }]]);
  assertEquals([...helpers], [["a.io", "x"]]);
  assertEquals(store, "y");
});
