import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseChallenges } from "../../../registry/auth/_challenge.ts";

Deno.test.each<{ header: string | null; challenges: [string, Record<string, string>][] }>([
  { header: null, challenges: [] },
  { header: "", challenges: [] },
  { header: "Basic", challenges: [["basic", {}]] },
  { header: 'basic realm="a b"', challenges: [["basic", { realm: "a b" }]] },
  {
    header: 'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
    challenges: [["bearer", {
      realm: "https://a/t",
      service: "s",
      scope: "repository:x:pull,push",
    }]],
  },
  {
    header: 'BEARER Realm = "https://a/t" , SERVICE=s',
    challenges: [["bearer", { realm: "https://a/t", service: "s" }]],
  },
  {
    header: 'Basic realm="x", Bearer realm="https://a/t",service="s"',
    challenges: [["basic", { realm: "x" }], ["bearer", { realm: "https://a/t", service: "s" }]],
  },
  {
    header: 'Negotiate, Basic realm="x"',
    challenges: [["negotiate", {}], ["basic", { realm: "x" }]],
  },
  {
    header: String.raw`Bearer realm="a\"b\\c, Basic realm=\"d\""`,
    challenges: [["bearer", { realm: String.raw`a"b\c, Basic realm="d"` }]],
  },
  {
    header: 'Negotiate YII==, Bearer realm="r"',
    challenges: [["negotiate", {}], ["bearer", { realm: "r" }]],
  },
  { header: ",,; Basic realm=x", challenges: [] },
  { header: ",, Basic realm=x,,", challenges: [["basic", { realm: "x" }]] },
  { header: 'Bearer realm="unfinished', challenges: [["bearer", {}]] },
])("parseChallenges() reads $header", ({ header, challenges }) => {
  const parsed = parseChallenges(header);

  assertEquals(
    parsed.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
    challenges.map(([scheme, parameters]) => [scheme, parameters]),
  );
});

Deno.test("parseChallenges() reads every challenge among others", () => {
  const word = fc.stringMatching(/^[A-Za-z]{1,8}$/);
  const value = fc.string({ unit: fc.constantFrom(...'abc ,=\\"/:') });
  const challenge = fc.record({
    scheme: word,
    parameters: fc.dictionary(word.map((name) => name.toLowerCase()), value, { minKeys: 1 }),
  });
  fc.assert(fc.property(fc.array(challenge, { minLength: 1, maxLength: 3 }), (challenges) => {
    const header = challenges.map(({ scheme, parameters }) => {
      const pairs = Object.entries(parameters).map(([name, text]) => {
        return `${name}="${text.replace(/(["\\])/g, "\\$1")}"`;
      });
      return `${scheme} ${pairs.join(", ")}`;
    }).join(", ");

    const parsed = parseChallenges(header);

    assertEquals(
      parsed.map(({ scheme, parameters }) => [scheme, new Map(parameters)]),
      challenges.map(({ scheme, parameters }) => [
        scheme.toLowerCase(),
        new Map(Object.entries(parameters)),
      ]),
    );
  }));
});

Deno.test("parseChallenges() parses any text in linear time", () => {
  const texts = fc.string({ unit: fc.constantFrom(...'aB =,"\\;\t('), maxLength: 300 });
  fc.assert(
    fc.property(texts, (text) => {
      assert(parseChallenges(text).every(({ scheme }) => scheme === scheme.toLowerCase()));
    }),
    { numRuns: 1000 },
  );
  assertEquals(parseChallenges(`Bearer realm="${"\\".repeat(1_000_000)}`).length, 1);
});
