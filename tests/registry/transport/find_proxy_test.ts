import { assert, assertEquals, assertThrows } from "@std/assert";
import { NetworkError } from "../../../registry/errors.ts";
import { findProxy } from "../../../registry/transport/_proxy.ts";

const TASK = { action: "pull", subject: "a" };
const PROXY = "http://proxy.test:3128";

function find(url: string, variables: Readonly<Record<string, string>>): string | undefined {
  return findProxy(new URL(url), TASK, (name) => variables[name])?.variable;
}

Deno.test.each<{ url: string; variables: Readonly<Record<string, string>>; found?: string }>([
  { url: "https://r.test/", variables: { HTTPS_PROXY: PROXY }, found: "HTTPS_PROXY" },
  { url: "https://r.test/", variables: { https_proxy: PROXY }, found: "https_proxy" },
  { url: "https://r.test/", variables: { HTTP_PROXY: PROXY } },
  { url: "http://r.test/", variables: { HTTP_PROXY: PROXY }, found: "HTTP_PROXY" },
  { url: "http://r.test/", variables: { http_proxy: PROXY }, found: "http_proxy" },
  { url: "http://r.test/", variables: { ALL_PROXY: PROXY }, found: "ALL_PROXY" },
  { url: "https://r.test/", variables: { all_proxy: PROXY }, found: "all_proxy" },
  {
    url: "https://r.test/",
    variables: { HTTPS_PROXY: " ", all_proxy: PROXY },
    found: "all_proxy",
  },
  { url: "http://localhost:5000/", variables: { HTTP_PROXY: PROXY } },
  { url: "https://127.1.2.3/", variables: { HTTPS_PROXY: PROXY } },
  { url: "https://[::1]/", variables: { ALL_PROXY: PROXY } },
  { url: "https://[::ffff:127.0.0.1]/", variables: { ALL_PROXY: PROXY } },
])("findProxy() finds $found for $url and $variables", ({ url, variables, found }) => {
  assertEquals(find(url, variables), found);
});

Deno.test.each([
  { host: "r.test", exceptions: "*", isExcepted: true },
  { host: "r.test", exceptions: "other.test, *", isExcepted: true },
  { host: "r.test", exceptions: "r.test", isExcepted: true },
  { host: "R.test.", exceptions: "r.TEST", isExcepted: true },
  { host: "a.r.test", exceptions: "r.test", isExcepted: true },
  { host: "ar.test", exceptions: "r.test", isExcepted: false },
  { host: "a.r.test", exceptions: ".r.test", isExcepted: true },
  { host: "r.test", exceptions: ".r.test", isExcepted: false },
  { host: "a.r.test", exceptions: "*.r.test", isExcepted: true },
  { host: "r.test", exceptions: "a.test b.test,r.test", isExcepted: true },
  { host: "r.test:5000", exceptions: "r.test:5000", isExcepted: true },
  { host: "r.test:5001", exceptions: "r.test:5000", isExcepted: false },
  { host: "r.test:5001", exceptions: "r.test", isExcepted: true },
  { host: "r.test", exceptions: "r.test:443", isExcepted: true },
  { host: "r.test", exceptions: "r.test:80", isExcepted: false },
  { host: "10.1.2.3", exceptions: "10.1.2.3", isExcepted: true },
  { host: "10.1.2.3", exceptions: "10.0.0.0/8", isExcepted: true },
  { host: "11.1.2.3", exceptions: "10.0.0.0/8", isExcepted: false },
  { host: "10.1.2.3", exceptions: "10.1.2.0/30", isExcepted: true },
  { host: "10.1.2.4", exceptions: "10.1.2.0/30", isExcepted: false },
  { host: "10.1.2.3", exceptions: "0.0.0.0/0", isExcepted: true },
  { host: "10.1.2.3:5000", exceptions: "10.1.2.3:5000", isExcepted: true },
  { host: "10.1.2.3", exceptions: "2.3", isExcepted: false },
  { host: "[2001:db8::5]", exceptions: "2001:db8::/32", isExcepted: true },
  { host: "[2001:db9::5]", exceptions: "2001:db8::/32", isExcepted: false },
  { host: "[2001:db8::5]", exceptions: "2001:DB8:0::5", isExcepted: true },
  { host: "[2001:db8::5]:5000", exceptions: "[2001:db8::5]:5000", isExcepted: true },
  { host: "r.test", exceptions: "10.0.0.0/8", isExcepted: false },
  { host: "r.test", exceptions: ",, ", isExcepted: false },
])("findProxy() reads NO_PROXY=$exceptions for $host", ({ host, exceptions, isExcepted }) => {
  const url = `https://${host}/v2/`;

  for (const name of ["NO_PROXY", "no_proxy"]) {
    const found = find(url, { HTTPS_PROXY: PROXY, [name]: exceptions });

    assertEquals(found === undefined, isExcepted);
  }
});

Deno.test.each<{ value: string; url: string; login?: { username: string; password: string } }>([
  { value: "proxy.test:3128", url: "http://proxy.test:3128" },
  { value: "http://proxy.test", url: "http://proxy.test" },
  { value: "HTTPS://proxy.test:3128/", url: "https://proxy.test:3128" },
  { value: "socks5://10.1.1.1:1080", url: "socks5://10.1.1.1:1080" },
  { value: "http://[2001:db8::1]:3128", url: "http://[2001:db8::1]:3128" },
  {
    value: "http://me:pw@proxy.test:3128",
    url: PROXY,
    login: { username: "me", password: "pw" },
  },
  {
    value: "http://u@corp:p@ss:w/d%#?@proxy.test:3128",
    url: PROXY,
    login: { username: "u@corp", password: "p@ss:w/d%#?" },
  },
  {
    value: "http://u%40corp:p%20%C3%A4%zz@proxy.test:3128",
    url: PROXY,
    login: { username: "u@corp", password: "p ä%zz" },
  },
  { value: "http://me@proxy.test:3128", url: PROXY, login: { username: "me", password: "" } },
])("findProxy() parses $value", ({ value, url, login }) => {
  const found = findProxy(new URL("https://r.test/"), TASK, (name) => {
    return name === "HTTPS_PROXY" ? value : undefined;
  });

  assertEquals([found?.url, found?.login], [url, login]);
});

Deno.test.each([
  "http://",
  "http://proxy.test:port",
  "http://proxy.test:99999",
  "ftp://proxy.test",
  "http://me:s3cret@",
  "http://me:s3cret@proxy test:3128",
])("findProxy() refuses %s rather than bypass it", (value) => {
  const error = assertThrows(
    () => find("http://r.test/", { HTTP_PROXY: value }),
    NetworkError,
    "Cannot pull: the value of HTTP_PROXY is not the address of a proxy",
  );

  assertEquals(error.retryable, false);
  assert(!error.message.includes("s3cret"));
});
