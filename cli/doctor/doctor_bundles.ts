import { describeError, isExplained } from "../../spec/error_facts.ts";
import { listBundles, type StoredBundle } from "../../store/bundles/list_bundles.ts";
import { StoreError } from "../../store/errors.ts";
import { withSmallLetter } from "../terminal/format.ts";
import { type Diagnosis, type DoctorFinding, Subject } from "./findings.ts";

const STORE = new Subject("Store");

/** Checks the state of the store's bundles. */
export async function examineBundles(store: string): Promise<Diagnosis> {
  const findings: DoctorFinding[] = [];
  const onError = (error: Error) => {
    const { advice = "Remove it" } = isExplained(error) ? error : {};
    // The advice of a finding continues its sentence.
    findings.push(STORE.problem(describeError(error), withSmallLetter(advice)));
  };
  let bundles: readonly StoredBundle[] = [];
  try {
    bundles = await listBundles(store, { onError });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    onError(error);
  }
  return {
    facts: { bundles },
    findings: [...bundles.flatMap((bundle) => bundleFinding(bundle) ?? []), ...findings],
  };
}

/** Returns the finding about a bundle that needs attention. */
function bundleFinding(bundle: StoredBundle): DoctorFinding | undefined {
  const { path, condition, container, reason } = bundle;
  const remove = `"oci unbundle ${path}"`;
  switch (condition) {
    case "used":
    case "kept":
      return undefined;
    case "dead":
      return STORE.problem(
        `a killed process left the bundle ${path}`,
        `the next "oci run" or "oci bundle" removes it, or ${remove}`,
      );
    case "running":
      return STORE.problem(
        `container ${container} of a killed "oci run" is still running in ${path}`,
        `end and remove it with ${remove}`,
      );
    case "missing":
      return STORE.note(`the bundle ${path} is missing`, "move it back, or mount its file system");
    case "unknown":
      return STORE.unknown(
        `the state of the bundle ${path}: ${reason}`,
        `if nothing runs in it, remove it with ${remove}`,
      );
  }
}
