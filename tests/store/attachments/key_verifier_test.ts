import { assert, assertEquals } from "@std/assert";
import { keyVerifier } from "../../../store/attachments/key_verifier.ts";
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
