import { RemoteClient } from "../../registry/client/remote_client.ts";
import { readReference } from "../access/references.ts";
import { mirrorsOf, type RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import type { Diagnosis, Finding } from "../terminal/findings.ts";

/** Lists the addresses at which an image is looked for, in order. Sends no request. */
export async function examineEndpoints(session: Session, text: string): Promise<Diagnosis> {
  const options = session.options<RegistryOptions>();
  const { plainHttp } = options;
  using client = new RemoteClient({ mirrors: mirrorsOf(options), plainHttp });
  const endpoints = await client.endpoints(readReference(text));
  return {
    facts: { endpoints },
    findings: endpoints.map(({ url, isMirror }, i): Finding => ({
      about: "Endpoints",
      state: "ok",
      says: `${i + 1}. ${url}${isMirror ? " (mirror)" : ""}`,
    })),
  };
}
