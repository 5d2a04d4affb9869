import { assert, assertEquals, assertThrows } from "@std/assert";
import { keyVerifier } from "../../../store/attachments/key_verifier.ts";
import { makeKey } from "../../_support/signing.ts";
import { toUint8Array } from "../../_support/tar.ts";

/** A key of cosign, and a payload and a signature that cosign made with it. */
const KNOWN = {
  key: [
    "-----BEGIN PUBLIC KEY-----",
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu",
    "OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==",
    "-----END PUBLIC KEY-----",
  ],
  payload: '{"critical":{"identity":{"docker-reference":"registry-testing.svc.lan/busybox"},' +
    '"image":{"docker-manifest-digest":' +
    '"sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b"},' +
    '"type":"cosign container image signature"},"optional":null}',
  signature:
    "MEUCIQD6q/COgzOyW0YH1Dk+CCYSt4uAhm3FDHUwvPI55zwnlwIgE0ZK58ZOWpZw8YVmBapJhBqCfdPekIkn" +
    "imuO0xH8Jh8=",
};

Deno.test.each([{ newline: "\n" }, { newline: "\r\n" }])(
  "keyVerifier() verifies a signature of cosign, with the key in lines of $newline",
  ({ newline }) => {
    const verify = keyVerifier(KNOWN.key.join(newline) + newline);
    const payload = toUint8Array(KNOWN.payload);
    const signature = Uint8Array.fromBase64(KNOWN.signature);

    assert(verify(payload, signature));
    assertEquals(
      verify(toUint8Array(KNOWN.payload.replace("busybox", "busyboy")), signature),
      false,
    );
    assertEquals(verify(payload, signature.with(20, 0)), false);
  },
);

Deno.test.each([
  { what: "text around it", wrap: (pem: string) => `# mine\n\n${pem}\nthe end\n` },
  { what: "a byte order mark", wrap: (pem: string) => `\ufeff${pem}` },
  { what: "lines of old Macs", wrap: (pem: string) => pem.replaceAll("\n", "\r") },
])("keyVerifier() accepts a key with $what", ({ wrap }) => {
  const key = makeKey();
  const bytes = toUint8Array("x");

  assert(keyVerifier(wrap(key.pem))(bytes, key.sign(bytes)));
});

const KEY = makeKey();
const PRIVATE = KEY.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const CERTIFICATE = KEY.pem.replaceAll("PUBLIC KEY", "CERTIFICATE");

Deno.test.each([
  { what: "nothing", pem: "", problem: "it is not a public key in PEM" },
  { what: "a certificate", pem: CERTIFICATE, problem: "it is not a public key in PEM" },
  { what: "a private key", pem: PRIVATE, problem: "it is not a public key in PEM" },
  { what: "a cut key", pem: KEY.pem.slice(0, 80), problem: "it is not a public key in PEM" },
  { what: "a private key first", pem: PRIVATE + KEY.pem, problem: "it is not a public key in PEM" },
  { what: "two keys", pem: KEY.pem + makeKey("ed25519").pem, problem: "it has more than one key" },
  { what: "a private key as well", pem: KEY.pem + PRIVATE, problem: "it has more than one key" },
])("keyVerifier() rejects $what", ({ pem, problem }) => {
  assertThrows(() => keyVerifier(pem), SyntaxError, problem);
});
