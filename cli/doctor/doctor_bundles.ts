import { describeError, isExplained } from "../../spec/error_facts.ts";
import { listBundles, type StoredBundle } from "../../store/bundles/list_bundles.ts";
import { StoreError } from "../../store/errors.ts";
import type { Diagnosis, DoctorFinding } from "../terminal/findings.ts";

const ABOUT = "Store";

/** Checks the state of the store's bundles. */
export async function examineBundles(store: string): Promise<Diagnosis> {
  const findings: DoctorFinding[] = [];
  const onError = (error: Error) => {
    const { advice = "Remove it" } = isExplained(error) ? error : {};
    findings.push({
      about: ABOUT,
      state: "problem",
      says: describeError(error),
      // The advice of a finding continues its sentence.
      advice: advice.charAt(0).toLowerCase() + advice.slice(1),
    });
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
    findings: [...bundles.flatMap(bundleFinding), ...findings],
  };
}

function bundleFinding(
  { path, condition, container, reason }: StoredBundle,
): readonly DoctorFinding[] {
  const about = ABOUT;
  const remove = `"oci unbundle ${path}"`;
  switch (condition) {
    case "used":
    case "kept":
      return [];
    case "dead":
      return [{
        about,
        state: "problem",
        says: `a killed process left the bundle ${path}`,
        advice: `the next "oci run" or "oci bundle" removes it, or ${remove}`,
      }];
    case "running":
      return [{
        about,
        state: "problem",
        says: `container ${container} of a killed "oci run" is still running in ${path}`,
        advice: `end and remove it with ${remove}`,
      }];
    case "missing":
      return [{
        about,
        state: "note",
        says: `the bundle ${path} is missing`,
        advice: "move it back, or mount its file system",
      }];
    case "unknown":
      return [{
        about,
        state: "unknown",
        says: `the state of the bundle ${path}: ${reason}`,
        advice: `if nothing runs in it, remove it with ${remove}`,
      }];
  }
}
