import { isLoopback } from "./private_address.ts";

/**
 * Whether a request goes past every proxy: Deno sends what is for this machine to the proxy of the
 * environment too, passwords included, unless it is told otherwise, which it can be for plain HTTP.
 */
export function isDirect(url: URL): boolean {
  return url.protocol === "http:" && isLoopback(url);
}

/**
 * The variable of the environment that names a proxy for a URL, as Deno takes them; `undefined` if
 * there is none, or if it may not be read without asking for a permission.
 */
export function proxyVariable(url: URL): string | undefined {
  if (isDirect(url)) return undefined;
  const own = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  return [own, own.toLowerCase(), "ALL_PROXY", "all_proxy"].find((variable) => {
    const { state } = Deno.permissions.querySync({ name: "env", variable });
    return state === "granted" && Deno.env.get(variable);
  });
}
