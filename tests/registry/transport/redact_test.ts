import { assert, assertEquals } from "@std/assert";
import { redactText, redactUrl } from "../../../registry/transport/redact.ts";

Deno.test.each([
  { url: "https://h/v2/a?n=5", shown: "https://h/v2/a?n=5" },
  { url: "https://user:pass@h/a", shown: "https://***:***@h/a" },
  { url: "https://h/a?sig=s3cret&se=1&sp=r", shown: "https://h/a?sig=***&se=***&sp=***" },
  {
    url: "https://h/a?X-Amz-Signature=s&x-amz-credential=c&X-Amz-Date=d&other=1",
    shown: "https://h/a?X-Amz-Signature=***&x-amz-credential=***&X-Amz-Date=***&other=***",
  },
  {
    url: "https://h/t?token=t&access_token=a&service=s",
    shown: "https://h/t?token=***&access_token=***&service=s",
  },
  { url: "https://h/t?%74oken=t", shown: "https://h/t?%74oken=***" },
  {
    url: "https://h/t?Signature=a&Key-Pair-Id=b&Policy=c",
    shown: "https://h/t?Signature=***&Key-Pair-Id=***&Policy=***",
  },
  {
    url: "https://h/t?scope=repository%3Aa%3Apull",
    shown: "https://h/t?scope=repository%3Aa%3Apull",
  },
  {
    url: "https://h/v2/a/tags/list?n=5&last=b&s3cret&x=",
    shown: "https://h/v2/a/tags/list?n=5&last=b&***&x=***",
  },
  {
    url: "https://h/v2/a/blobs/uploads/1?digest=sha256:0&_state=s3cret",
    shown: "https://h/v2/a/blobs/uploads/1?digest=sha256:0&_state=***",
  },
  { url: "https://h/t#secret", shown: "https://h/t" },
  { url: "no url: password", shown: "(not a URL)" },
])("redactUrl() shows $url as $shown", ({ url, shown }) => {
  assertEquals(redactUrl(url), shown);
});

Deno.test("redactText() hides the secrets of the URLs and headers that a text quotes", () => {
  const text = "error for url (https://u:p@h/a?sig=s3cret): authorization: Bearer abcdefghijkl";

  const shown = redactText(text);

  assert(!/s3cret|abcdefghijkl|u:p@/.test(shown), shown);
  assert(shown.startsWith("error for url (https://***:***@h/a?sig=***): "), shown);
});
