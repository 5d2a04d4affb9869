import { assert, assertEquals, assertThrows } from "@std/assert";
import { basicAuthentication, parseHtpasswd, serveRegistry } from "../../../registry/mod.ts";

const LONG = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

// The vectors of crypt_blowfish.
const VECTORS = [
  { password: "U*U", hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
  { password: "U*U*", hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK" },
  { password: "U*U*U", hash: "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a" },
  { password: "", hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy" },
  {
    password: `${LONG}chars after 72 are ignored`,
    hash: "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
  },
];

Deno.test.each(VECTORS)(
  "parseHtpasswd() accepts the right password for $hash",
  async ({ password, hash }) => {
    const matches = (text: string, hash: string) => parseHtpasswd(`ann:${hash}`)("ann", text);

    assert(await matches(password, hash));
    assert(await matches(password, hash.replace("2a", "2y")));
    assertEquals(await matches(`!${password}`, hash), false);
    assertEquals(await matches(password, hash.replace(/.$/, "q")), false);
  },
);

Deno.test.each([
  { hash: "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", why: "cost too low" },
  { hash: "$2a$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", why: "cost too high" },
  { hash: "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", why: "broken kind" },
  { hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe", why: "too short" },
  { hash: "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", why: "MD5" },
  { hash: "", why: "nothing" },
])("parseHtpasswd() refuses the hash $hash: $why", ({ hash }) => {
  assertThrows(() => parseHtpasswd(`ann:${hash}`), SyntaxError, "must be bcrypt");
});

const [first, second] = VECTORS;

Deno.test("parseHtpasswd() checks names and passwords, repeatedly too", async () => {
  const check = parseHtpasswd(`# users\r\nann:${first?.hash}\r\n\r\nbob:${second?.hash}`);

  for (let i = 0; i < 2; i++) {
    assertEquals(await check("ann", "U*U"), true);
    assertEquals(await check("bob", "U*U*"), true);
    assertEquals(await check("ann", "U*U*"), false);
    assertEquals(await check("bob", "U*U"), false);
    assertEquals(await check("eve", "U*U"), false);
    assertEquals(await check("", ""), false);
  }
});

Deno.test.each([{ text: "" }, { text: "\n\n" }, { text: "# nobody yet\n" }])(
  "parseHtpasswd() refuses a file without users: $text",
  ({ text }) => {
    assertThrows(() => parseHtpasswd(text), SyntaxError, "it has no users");
  },
);

Deno.test.each([
  { line: "ann", says: 'line 1 of the htpasswd file: it must be "NAME:HASH"' },
  { line: ":$2y$05$x", says: 'it must be "NAME:HASH"' },
  {
    line: "ann:secret",
    says: 'the hash of "ann" must be bcrypt. Create the file with "htpasswd -B"',
  },
  { line: `ann:${first?.hash}\nann:${second?.hash}`, says: 'line 2 of the htpasswd file: "ann"' },
])("parseHtpasswd() refuses $line", ({ line, says }) => {
  const error = assertThrows(() => parseHtpasswd(line), SyntaxError, says);

  assertEquals(error.message.includes("secret"), false);
});

Deno.test("parseHtpasswd() checks one password at a time, and limits the waiting ones", async () => {
  const check = parseHtpasswd(`ann:${first?.hash}\nbob:${second?.hash}`);
  await using registry = await serveRegistry(undefined, {
    authenticate: basicAuthentication(check),
  });
  const login = async (name: string, password: string) => {
    const headers = { authorization: `Basic ${btoa(`${name}:${password}`)}` };
    const response = await fetch(`${registry.url}/v2/`, { headers });
    await response.body?.cancel();
    return response;
  };
  assertEquals((await login("bob", "U*U*")).status, 200);

  const guesses = Promise.all(Array.from({ length: 60 }, (_, i) => login("ann", `guess ${i}`)));
  // A user who has logged in before does not wait.
  assertEquals((await login("bob", "U*U*")).status, 200);
  const responses = await guesses;

  const refused = responses.filter(({ status }) => status === 429);
  assert(responses.some(({ status }) => status === 401));
  assert(refused.length > 0);
  assertEquals(refused[0]?.headers.get("retry-after"), "1");
  assertEquals((await login("ann", "U*U")).status, 200);
});
