import { assertEquals, assertRejects } from "@std/assert";
import type { Digest } from "../../../spec/mod.ts";
import { layoutReferrers } from "../../../store/images/layout_referrers.ts";
import { buildArtifact, buildImage, type Built } from "../../_support/image.ts";

const SUBJECTS = [1, 2].map((size) => buildImage({ layers: [new Uint8Array(size)] }));
const REFERRERS = SUBJECTS.map(({ descriptor }) => {
  return buildArtifact({ artifactType: "application/x.sig", subject: descriptor });
});
const ALL = [...SUBJECTS, ...REFERRERS];

/** A layout that lists documents, and counts how often each is read. */
function countingLayout(all: readonly Built[] = ALL) {
  const listed = all.map(({ descriptor }) => descriptor);
  const stored = new Map<Digest, Built>(all.map((built) => [built.descriptor.digest, built]));
  const reads: Digest[] = [];
  return {
    stored,
    reads,
    descriptors: () => Promise.resolve(listed),
    readBlob: ({ digest }: { readonly digest: Digest }) => {
      reads.push(digest);
      return Promise.resolve(stored.get(digest)?.bytes);
    },
  };
}

function digestsOf(built: readonly Built[]): readonly Digest[] {
  return built.map(({ descriptor }) => descriptor.digest);
}

Deno.test("layoutReferrers() reads each document once for many subjects", async () => {
  const layout = countingLayout();

  const found = await Promise.all(
    digestsOf([...SUBJECTS, ...REFERRERS]).map((digest) => layoutReferrers(layout, digest)),
  );

  assertEquals(
    found.map((list) => list.map(({ digest }) => digest)),
    [...REFERRERS.map((built) => digestsOf([built])), [], []],
  );
  assertEquals(layout.reads.toSorted(), digestsOf(ALL).toSorted());
});

Deno.test("layoutReferrers() finds a document that is stored later", async () => {
  const layout = countingLayout();
  const [subject, referrer] = digestsOf([...SUBJECTS.slice(1), ...REFERRERS.slice(1)]);
  const built = layout.stored.get(referrer ?? "sha256:");
  layout.stored.delete(referrer ?? "sha256:");
  const before = await layoutReferrers(layout, subject ?? "sha256:");
  if (built !== undefined) layout.stored.set(built.descriptor.digest, built);

  const after = await layoutReferrers(layout, subject ?? "sha256:");

  assertEquals([before.length, after.length], [0, 1]);
});

Deno.test("layoutReferrers() tries again after a failure", async () => {
  const layout = countingLayout();
  const [digest = "sha256:"] = digestsOf(SUBJECTS);
  const failing = { ...layout, readBlob: () => Promise.reject(new Error("no disk")) };
  await assertRejects(() => layoutReferrers(failing, digest), Error, "no disk");

  assertEquals((await layoutReferrers(layout, digest)).length, 1);
});

Deno.test("layoutReferrers() limits the annotations in memory, but not small ones", async () => {
  const { descriptor: subject } = buildImage();
  const annotated = (note: string, order: number) => {
    const annotations = { note, order: `${order}` };
    return buildArtifact({ artifactType: "application/x.note", subject, annotations });
  };
  const large = "n".repeat(4_000_000);
  const layout = countingLayout([
    ...Array.from({ length: 20 }, (_, order) => annotated(large, order)),
    annotated("small", 20),
  ]);

  const found = await layoutReferrers(layout, subject.digest);
  const other = await layoutReferrers(layout, "sha256:other");

  assertEquals(
    found.map(({ annotations: { note, order } = {} }) => note && [note.length, order]),
    [
      ...Array.from({ length: 16 }, (_, order) => [large.length, `${order}`]),
      ...new Array(4).fill(undefined),
      [5, "20"],
    ],
  );
  assertEquals([other, layout.reads.length], [[], 21 + 16]);
});
